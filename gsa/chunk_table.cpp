#include "gsa/chunk_table.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/links.h"

namespace unfold::gsa {
namespace {

int level_at(const Layout& layout, std::int64_t row, std::int32_t t) {
  return layout.level[static_cast<std::size_t>(row * layout.length + t)];
}

DocumentChunks read_document(const Layout& layout, std::int64_t row, const DocumentSpan& span) {
  DocumentChunks document;
  document.row = static_cast<std::int32_t>(row);
  document.begin = span.begin;
  document.end = document.suffix_begin = span.end;
  document.levels.resize(static_cast<std::size_t>(layout.levels));
  for (ChunkLevel& level : document.levels) level.first_child = {0};
  const int top = layout.levels - 1;
  std::int32_t last = span.end;  // of the top-level gists
  while (top >= 0 && last > span.begin && level_at(layout, row, last - 1) != top) --last;
  const bool closed = top >= 0 && last > span.begin;
  if (closed) document.suffix_begin = last;
  for (std::int32_t t = span.begin; t < span.end; ++t) {
    const int level = level_at(layout, row, t);
    if (level < 0) document.raw.push_back(t);
    if (level < 0 || t >= document.suffix_begin || !closed) continue;
    ChunkLevel& own = document.levels[static_cast<std::size_t>(level)];
    const std::size_t children =
        level == 0 ? document.raw.size()
                   : document.levels[static_cast<std::size_t>(level) - 1].gist.size();
    if (level == 0) document.chunk_begin.push_back(own.first_child.back());
    own.gist.push_back(t);
    own.first_child.push_back(static_cast<std::int32_t>(children));
  }
  return document;
}

// Takes system prompt and links out of the chunks they stand before, and finds the anchors.
void read_links(const Layout& layout, std::int64_t row, const DocumentSpan& span,
                std::int64_t sinks, DocumentChunks& document) {
  for (const PartRun& run : part_runs(layout, row, span)) {
    for (std::int32_t t = run.begin; t < run.end; ++t) {
      const auto level = static_cast<std::int8_t>(level_at(layout, row, t));
      if (!is_anchor(run, t, level, sinks)) continue;
      std::vector<KeySpan>& anchors = document.anchors;
      if (anchors.empty() || anchors.back().end != t) anchors.push_back({t, t});
      anchors.back().end = t + 1;
    }
    if (run.part != Part::document) continue;
    const std::vector<std::int32_t>& raw = document.raw;
    const auto first = std::lower_bound(raw.begin(), raw.end(), run.begin) - raw.begin();
    const std::vector<std::int32_t>& gists = document.levels[0].gist;
    const auto chunk = std::lower_bound(gists.begin(), gists.end(), run.begin);
    document.chunk_begin[static_cast<std::size_t>(chunk - gists.begin())] =
        static_cast<std::int32_t>(first);
  }
}

void append_queries(const Layout& layout, std::int32_t index, std::int32_t from,
                    ChunkTable& table) {
  const DocumentChunks& document = table.documents[static_cast<std::size_t>(index)];
  if (document.chunks() == 0) return;
  const std::vector<std::int32_t>& tops = document.levels.back().gist;
  for (std::int32_t t = std::max(from, tops[0]); t < document.end; ++t) {
    if (level_at(layout, document.row, t) >= 0) continue;
    if (!layout.part.empty()) {  // tokens of retrieved documents do not select
      const Part part = layout.part[static_cast<std::size_t>(document.row * layout.length + t)];
      if (part == Part::document || part == Part::system) continue;
    }
    const auto before = std::lower_bound(tops.begin(), tops.end(), t) - tops.begin();
    table.suffix.push_back({index, t, static_cast<std::int32_t>(before)});
  }
}

}  // namespace

std::span<const std::int32_t> DocumentChunks::chunk(std::int64_t j) const {
  core::check(j >= 0 && j < chunks(), "chunk_table", "chunk {} of {}", j, chunks());
  const auto at = static_cast<std::size_t>(j);
  const auto first = static_cast<std::size_t>(chunk_begin[at]);
  const auto last = static_cast<std::size_t>(levels[0].first_child[at + 1]);
  return std::span(raw).subspan(first, last - first);
}

std::int32_t DocumentChunks::covered_gists(int level, std::int32_t tops) const {
  std::int32_t count = tops;
  for (std::size_t l = levels.size() - 1; l > static_cast<std::size_t>(level); --l) {
    count = levels[l].first_child[static_cast<std::size_t>(count)];
  }
  return count;
}

std::int32_t DocumentChunks::behind(std::int32_t tops) const {
  return tops == 0 ? begin : levels.back().gist[static_cast<std::size_t>(tops) - 1] + 1;
}

ChunkTable make_chunk_table(const Layout& layout, std::span<const std::int32_t> select_from,
                            std::int64_t sinks) {
  ChunkTable table;
  table.first_query.push_back(0);
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    for (const DocumentSpan& span : document_spans(layout, row)) {
      const std::size_t index = table.documents.size();
      table.documents.push_back(read_document(layout, row, span));
      if (span.linked) read_links(layout, row, span, sinks, table.documents.back());
      std::int32_t from = -1;
      if (!select_from.empty()) {
        core::check(index < select_from.size(), "chunk_table",
                    "more documents than the {} positions to select from", select_from.size());
        from = select_from[index];
      }
      core::check(from < 0 || !span.linked, "chunk_table",
                  "a prompt with links selects from its first link on, not from {}", from);
      if (from < 0) from = span.linked ? span.begin : table.documents.back().suffix_begin;
      append_queries(layout, static_cast<std::int32_t>(index), from, table);
      table.first_query.push_back(static_cast<std::int32_t>(table.suffix.size()));
    }
  }
  core::check(select_from.empty() || select_from.size() == table.documents.size(), "chunk_table",
              "{} documents, {} positions to select from", table.documents.size(),
              select_from.size());
  return table;
}

}  // namespace unfold::gsa
