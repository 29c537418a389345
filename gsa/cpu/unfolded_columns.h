// The columns of a block of scores of unfolding (gsa/cpu/unfolded_block.h): whole panels of the
// document's keys, in order. The counterpart of KeyColumns.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <vector>

#include "gsa/cpu/key_columns.h"
#include "gsa/cpu/unfolded_block.h"

namespace unfold::gsa::kernels::cpu {

template <typename A>
class UnfoldedColumns {
 public:
  // Goes back to before the first block of columns. The arguments must outlive it.
  void start(const UnfoldedBlock& block, const DocumentChunks& document,
             const AttentionShape& shape, const KeySpans& spans) {
    block_ = &block;
    spans_ = &spans;
    group_ = static_cast<std::size_t>(shape.group());
    kv_heads_ = shape.kv_heads;
    begin_ = document.begin;
    length_ = document.end - document.begin;
    panels_ = block.panels;
    used_ = 0;
  }

  bool next(const QueryBlock& /*queries*/) {
    segments_.clear();
    columns_ = 0;
    masked_ = -1;
    while (!panels_.empty() && columns_ < kMaxColumns) {
      const std::int32_t panel = panels_.front().begin + used_;
      const std::int32_t left = panels_.front().end - panel;
      const std::int32_t count = std::min(left, (kMaxColumns - columns_) / kLanes);
      const std::int32_t keys = std::min(count * kLanes, length_ - panel * kLanes);
      segments_.push_back(
          {panel * kLanes, keys, columns_, columns_, count, columns_, columns_ + count * kLanes});
      columns_ += count * kLanes;
      used_ += count;
      if (count == left) {
        panels_ = panels_.subspan(1);
        used_ = 0;
      }
    }
    return columns_ > 0;
  }

  std::span<const KeySegment> segments() const { return segments_; }
  std::int32_t columns() const { return columns_; }

  // Overwrites the scores (columns) of one query with -inf where it does not see the key.
  void hide(const QueryBlock& /*queries*/, std::size_t query, A* scores) {
    using V = typename Vector<A>::Type;
    using Bits = typename Vector<A>::IntegerType;
    mask(static_cast<std::int64_t>(query / group_));
    const V hidden_score = V{} - std::numeric_limits<A>::infinity();
    for (std::int32_t j = 0; j < columns_; j += kLanes) {
      const Bits visible = *reinterpret_cast<const Bits*>(visible_.data() + j) != 0;
      V& score = *reinterpret_cast<V*>(scores + j);
      score = visible ? score : hidden_score;
    }
  }

 private:
  using Integer = typename Vector<A>::Integer;
  static constexpr auto kLanes = static_cast<std::int32_t>(Vector<A>::kLanes);

  // The heads of a query share what they see: made once for all of them.
  void mask(std::int64_t query) {
    if (masked_ == query) return;
    masked_ = query;
    std::fill(visible_.begin(), visible_.begin() + columns_, Integer{0});
    const auto spans = spans_->of((block_->first + query) * kv_heads_ + block_->kv_head);
    auto span = spans.begin();
    for (const KeySegment& segment : segments_) {
      const std::int32_t first = begin_ + segment.begin;
      const std::int32_t last = first + segment.count;
      while (span != spans.end() && span->end <= first) ++span;
      for (auto inside = span; inside != spans.end() && inside->begin < last; ++inside) {
        Integer* column = visible_.data() + segment.column;
        std::fill(column + std::max(inside->begin, first) - first,
                  column + std::min(inside->end, last) - first, Integer{1});
      }
    }
  }

  const UnfoldedBlock* block_ = nullptr;
  const KeySpans* spans_ = nullptr;
  std::size_t group_ = 1;
  std::int64_t kv_heads_ = 1;
  std::int32_t begin_ = 0;           // of the document
  std::int32_t length_ = 0;          // its tokens
  std::span<const KeySpan> panels_;  // still to visit
  std::int32_t used_ = 0;            // panels of the first of them that are done

  std::vector<KeySegment> segments_;
  std::int32_t columns_ = 0;
  std::int64_t masked_ = -1;  // the query visible_ is of
  std::array<Integer, kMaxColumns> visible_{};
};

}  // namespace unfold::gsa::kernels::cpu
