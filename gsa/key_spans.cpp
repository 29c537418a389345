#include "gsa/key_spans.h"

#include <algorithm>

#include "core/parallel.h"

namespace unfold::gsa {
namespace {

// Raw tokens of the context that section 5 shows. The reach of raw tokens never falls behind the
// sinks, so that they are the first so many (the sinks) and the last so many (previous chunks). In
// a prompt with links there are the anchors besides.
void add_section5(const Reach& reach, const DocumentChunks& document,
                  const ChunkTable::SuffixQuery& query, std::int32_t behind,
                  std::vector<KeySpan>& spans) {
  const int query_class =
      reach.query_class[static_cast<std::size_t>(document.row * reach.length + query.position)];
  const auto sees = [&](std::int32_t key) {
    return query.position < reach.at(document.row, query_class, key);
  };
  const auto first = document.raw.begin();
  const auto last = std::lower_bound(first, document.raw.end(), behind);
  auto sink = first;
  for (; sink != last && sees(*sink); ++sink) spans.push_back({*sink, *sink + 1});
  for (auto key = last; key != sink && sees(*(key - 1)); --key) {
    spans.push_back({*(key - 1), *(key - 1) + 1});
  }
  for (const KeySpan& anchor : document.anchors) {
    if (anchor.begin > query.position) break;
    spans.push_back({anchor.begin, std::min(anchor.end, query.position + 1)});
  }
}

// Sorts, and makes one of spans that touch.
void merge(std::vector<KeySpan>& spans) {
  std::sort(spans.begin(), spans.end(),
            [](const KeySpan& a, const KeySpan& b) { return a.begin < b.begin; });
  std::size_t kept = 0;
  for (const KeySpan& span : spans) {
    if (kept > 0 && span.begin <= spans[kept - 1].end) {
      spans[kept - 1].end = std::max(spans[kept - 1].end, span.end);
    } else {
      spans[kept++] = span;
    }
  }
  spans.resize(kept);
}

void find_spans(const Reach& reach, const ChunkTable& table, Unfold unfold,
                const Selection& selection, std::int64_t query_index, std::int64_t kv_head,
                std::vector<KeySpan>& spans) {
  const ChunkTable::SuffixQuery& query = table.suffix[static_cast<std::size_t>(query_index)];
  const DocumentChunks& document = table.document_of(query);
  const std::int32_t behind = document.behind(query.tops);
  spans.clear();
  add_section5(reach, document, query, behind, spans);
  for (int level = 0; level < selection.levels; ++level) {
    const std::vector<std::int32_t>& gists = document.levels[static_cast<std::size_t>(level)].gist;
    if (unfold == Unfold::all_gists) {
      const std::int32_t covered = document.covered_gists(level, query.tops);
      for (std::int32_t j = 0; j < covered; ++j) {
        const std::int32_t gist = gists[static_cast<std::size_t>(j)];
        spans.push_back({gist, gist + 1});
      }
    }
    for (const std::int32_t pick : selection.of(query_index, kv_head, level)) {
      if (unfold == Unfold::picked_gists) {
        const std::int32_t gist = gists[static_cast<std::size_t>(pick)];
        spans.push_back({gist, gist + 1});
      }
      if (level > 0) continue;
      const std::span<const std::int32_t> chunk = document.chunk(pick);
      if (!chunk.empty()) spans.push_back({chunk.front(), chunk.back() + 1});
    }
  }
  spans.push_back({behind, query.position + 1});
  merge(spans);
}

}  // namespace

std::int64_t KeySpans::keys() const {
  std::int64_t total = 0;
  for (const KeySpan& span : spans) total += span.end - span.begin;
  return total;
}

KeySpans make_key_spans(const Reach& reach, const ChunkTable& table, Unfold unfold,
                        const Selection& selection) {
  const std::int64_t pairs = static_cast<std::int64_t>(table.suffix.size()) * selection.kv_heads;
  std::vector<std::vector<KeySpan>> found(static_cast<std::size_t>(pairs));
  core::parallel_for(pairs, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      find_spans(reach, table, unfold, selection, i / selection.kv_heads, i % selection.kv_heads,
                 found[static_cast<std::size_t>(i)]);
    }
  });
  KeySpans result;
  result.offsets.reserve(found.size() + 1);
  result.offsets.push_back(0);
  for (const std::vector<KeySpan>& spans : found) {
    result.spans.insert(result.spans.end(), spans.begin(), spans.end());
    result.offsets.push_back(static_cast<std::int64_t>(result.spans.size()));
  }
  return result;
}

std::vector<KeySpan> key_spans_of(const Reach& reach, const ChunkTable& table, Unfold unfold,
                                  const Selection& selection, std::int64_t query,
                                  std::int64_t kv_head) {
  std::vector<KeySpan> spans;
  find_spans(reach, table, unfold, selection, query, kv_head, spans);
  return spans;
}

}  // namespace unfold::gsa
