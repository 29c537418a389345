#include "gsa/cpu/unfolded_block.h"

#include <algorithm>

#include "core/error.h"

namespace unfold::gsa::kernels::cpu {
namespace {

// The scores that a block makes, over those that its queries need. A key serves all rows of a block
// once it is loaded, so a few scores too many are cheaper than more blocks.
constexpr std::int64_t kMostWaste = 3;

std::int64_t size_of(const std::vector<KeySpan>& panels) {
  std::int64_t total = 0;
  for (const KeySpan& span : panels) total += span.end - span.begin;
  return total;
}

std::vector<KeySpan> to_panels(std::span<const KeySpan> spans, std::int32_t begin,
                               std::int32_t lanes) {
  std::vector<KeySpan> panels;
  for (const KeySpan& span : spans) {
    const KeySpan own{(span.begin - begin) / lanes, (span.end - begin + lanes - 1) / lanes};
    if (!panels.empty() && own.begin <= panels.back().end) {
      panels.back().end = std::max(panels.back().end, own.end);
    } else {
      panels.push_back(own);
    }
  }
  return panels;
}

std::vector<KeySpan> unite(const std::vector<KeySpan>& a, const std::vector<KeySpan>& b) {
  std::vector<KeySpan> both(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), both.begin(),
             [](const KeySpan& x, const KeySpan& y) { return x.begin < y.begin; });
  std::vector<KeySpan> united;
  for (const KeySpan& span : both) {
    if (!united.empty() && span.begin <= united.back().end) {
      united.back().end = std::max(united.back().end, span.end);
    } else {
      united.push_back(span);
    }
  }
  return united;
}

}  // namespace

std::vector<UnfoldedBlock> plan_blocks(const ChunkTable& table, const AttentionShape& shape,
                                       const KeySpans& spans, std::int32_t lanes) {
  core::check(shape.group() <= kMaxQueries, "unfolding", "{} query heads a key head, at most {}",
              shape.group(), kMaxQueries);
  std::vector<UnfoldedBlock> blocks;
  for (std::size_t d = 0; d < table.documents.size(); ++d) {
    for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      std::int64_t needed = 0;
      UnfoldedBlock block;
      for (std::int32_t q = table.first_query[d]; q < table.first_query[d + 1]; ++q) {
        std::vector<KeySpan> own =
            to_panels(spans.of(q * shape.kv_heads + kv_head), table.documents[d].begin, lanes);
        const std::int64_t own_size = size_of(own);
        std::vector<KeySpan> united = unite(block.panels, own);
        const bool full = (block.count + 1) * shape.group() > kMaxQueries ||
                          size_of(united) * (block.count + 1) > kMostWaste * (needed + own_size);
        if (block.count > 0 && full) {
          blocks.push_back(std::move(block));
          block = UnfoldedBlock();
          needed = 0;
          united = std::move(own);
        }
        if (block.count == 0) {
          block.document = static_cast<std::int32_t>(d);
          block.kv_head = static_cast<std::int32_t>(kv_head);
          block.first = q;
        }
        ++block.count;
        block.panels = std::move(united);
        needed += own_size;
      }
      if (block.count > 0) blocks.push_back(std::move(block));
    }
  }
  return blocks;
}

void take(const UnfoldedBlock& block, const ChunkTable& table, const AttentionShape& shape,
          QueryBlock& queries) {
  queries.count = block.count * shape.group();
  for (std::int64_t r = 0; r < queries.count; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const auto query = static_cast<std::size_t>(block.first + r / shape.group());
    queries.position[i] = table.suffix[query].position;
    queries.head[i] = static_cast<std::int32_t>(block.kv_head * shape.group() + r % shape.group());
  }
  queries.first = queries.position[0];
  queries.last = queries.position[static_cast<std::size_t>(queries.count) - 1];
}

}  // namespace unfold::gsa::kernels::cpu
