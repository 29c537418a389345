#include "gsa/chunk_table.h"

#include <algorithm>

#include "core/error.h"

namespace unfold::gsa {
namespace {

DocumentChunks read_document(const Layout& layout, std::int64_t row, const DocumentSpan& span) {
  DocumentChunks document;
  document.row = static_cast<std::int32_t>(row);
  document.begin = document.suffix_begin = span.begin;
  document.end = span.end;
  document.levels.resize(static_cast<std::size_t>(layout.levels));
  const auto level_at = [&](std::int32_t t) {
    return layout.level[static_cast<std::size_t>(row * layout.length + t)];
  };
  const int top = layout.levels - 1;
  for (std::int32_t t = span.begin; t < span.end && top >= 0; ++t) {
    if (level_at(t) == top) document.suffix_begin = t + 1;
  }
  for (ChunkLevel& level : document.levels) level.first_child = {0};
  for (std::int32_t t = span.begin; t < document.suffix_begin; ++t) {
    const int level = level_at(t);
    if (level < 0) {
      document.raw.push_back(t);
      continue;
    }
    ChunkLevel& own = document.levels[static_cast<std::size_t>(level)];
    const std::size_t children =
        level == 0 ? document.raw.size()
                   : document.levels[static_cast<std::size_t>(level) - 1].gist.size();
    own.gist.push_back(t);
    own.first_child.push_back(static_cast<std::int32_t>(children));
  }
  return document;
}

}  // namespace

std::span<const std::int32_t> DocumentChunks::chunk(std::int64_t j) const {
  core::check(j >= 0 && j < chunks(), "chunk_table", "chunk {} of {}", j, chunks());
  const auto at = static_cast<std::size_t>(j);
  const auto first = static_cast<std::size_t>(levels[0].first_child[at]);
  const auto last = static_cast<std::size_t>(levels[0].first_child[at + 1]);
  return std::span(raw).subspan(first, last - first);
}

ChunkTable make_chunk_table(const Layout& layout) {
  ChunkTable table;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    for (const DocumentSpan& span : document_spans(layout, row)) {
      const auto index = static_cast<std::int32_t>(table.documents.size());
      table.documents.push_back(read_document(layout, row, span));
      const DocumentChunks& document = table.documents.back();
      if (document.chunks() == 0) continue;
      for (std::int32_t t = document.suffix_begin; t < document.end; ++t) {
        table.suffix.push_back({index, t});
      }
    }
  }
  return table;
}

}  // namespace unfold::gsa
