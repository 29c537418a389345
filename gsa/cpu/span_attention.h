// Softmax attention of the queries that share a key/value head, at one position, over spans of
// cached keys: what a policy left of a context, a few short spans. They are taken in blocks, each
// gathered into a dense buffer of the accumulator type, so that short spans cost no more than long
// ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/kernels/float_types.h"
#include "gsa/attention_shape.h"
#include "gsa/cpu/exp_row.h"
#include "gsa/cpu/lane_product.h"
#include "gsa/key_store.h"

namespace unfold::gsa::kernels::cpu {

// Buffers of one thread, reused from query to query.
template <typename T>
class SpanAttention {
 public:
  using A = core::kernels::Accumulator<T>;

  explicit SpanAttention(const AttentionShape& shape)
      : group_(shape.group()),
        width_(shape.width),
        stride_(padded<A>(group_)),
        row_width_(padded<A>(width_)),
        scale_(A(1) / std::sqrt(static_cast<A>(width_))),
        query_(static_cast<std::size_t>(width_ * stride_)),
        rows_(static_cast<std::size_t>(kBlock * row_width_)),
        sums_(static_cast<std::size_t>(group_ * row_width_)) {}

  // query (group, width). Spans are normalised, lie within the store, and hold a key at least.
  // Writes out (group, width).
  void run(const T* query, const KeyStore& store, std::int64_t kv_head,
           const std::vector<CacheSpan>& spans, T* out) {
    count_ = count_keys(spans);
    for (std::int64_t h = 0; h < group_; ++h) {
      for (std::int64_t d = 0; d < width_; ++d) {
        query_[static_cast<std::size_t>(d * stride_ + h)] =
            static_cast<A>(query[h * width_ + d]) * scale_;
      }
    }
    weights_.resize(static_cast<std::size_t>(count_ * stride_));
    for_blocks(store, kv_head, spans, false, [&](std::int64_t first, std::int64_t count) {
      multiply<A>({rows_.data(), row_width_, 1}, {query_.data(), stride_}, count, width_,
                  stride_ / kLanes, false, {weights_.data() + first * stride_, stride_});
    });
    normalise_weights();
    std::fill(sums_.begin(), sums_.end(), A(0));
    for_blocks(store, kv_head, spans, true, [&](std::int64_t first, std::int64_t count) {
      multiply<A>({weights_.data() + first * stride_, 1, stride_}, {rows_.data(), row_width_},
                  group_, count, row_width_ / kLanes, true, {sums_.data(), row_width_});
    });
    for (std::int64_t h = 0; h < group_; ++h) {
      const A* from = sums_.data() + h * row_width_;
      for (std::int64_t d = 0; d < width_; ++d) out[h * width_ + d] = static_cast<T>(from[d]);
    }
  }

  // Of the last run: the attention each key got, in the order of the spans, summed over the group.
  void weights(std::vector<double>& out) const {
    out.resize(static_cast<std::size_t>(count_));
    for (std::int64_t j = 0; j < count_; ++j) {
      double sum = 0;
      for (std::int64_t h = 0; h < group_; ++h) {
        sum += static_cast<double>(weights_[static_cast<std::size_t>(j * stride_ + h)]);
      }
      out[static_cast<std::size_t>(j)] = sum;
    }
  }

 private:
  static constexpr std::int64_t kLanes = Vector<A>::kLanes;
  static constexpr std::int64_t kBlock = 256;  // rows: they stay in the nearer caches

  // Fills rows_ with keys, or values, of the spans, again and again: use(first, count) of them.
  template <typename Use>
  void for_blocks(const KeyStore& store, std::int64_t kv_head, const std::vector<CacheSpan>& spans,
                  bool values, Use&& use) {
    std::int64_t first = 0, held = 0;
    for (std::size_t i = 0; i < spans.size(); ++i) {
      const CacheSpan& span = spans[i];
      const T* const head =
          head_of(values ? store.values(span.section) : store.keys(span.section), kv_head);
      if (!values) {
        // Spans lie anywhere in a large cache: the next one, and what the second pass reads.
        prefetch(head_of(store.values(span.section), kv_head), span);
        if (i + 1 < spans.size()) {
          prefetch(head_of(store.keys(spans[i + 1].section), kv_head), spans[i + 1]);
        }
      }
      for (std::int64_t at = span.begin; at < span.end;) {
        const std::int64_t taken = std::min(kBlock - held, span.end - at);
        convert(head + at * width_, taken, rows_.data() + held * row_width_);
        at += taken;
        held += taken;
        if (held < kBlock) continue;
        use(first, held);
        first += held;
        held = 0;
      }
    }
    if (held > 0) use(first, held);
  }

  const T* head_of(const core::Tensor& section, std::int64_t kv_head) const {
    return section.data<T>() + kv_head * section.dim(1) * width_;
  }

  // The beginning of a span: behind it the hardware follows.
  void prefetch(const T* head, const CacheSpan& span) const {
    constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T));
    const T* const end = head + std::min<std::int64_t>(span.end, span.begin + 16) * width_;
    for (const T* at = head + span.begin * width_; at < end; at += kLine) __builtin_prefetch(at);
  }

  void convert(const T* from, std::int64_t rows, A* to) const {
    if (row_width_ == width_) {
      for (std::int64_t i = 0; i < rows * width_; ++i) to[i] = static_cast<A>(from[i]);
      return;
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t d = 0; d < width_; ++d) {
        to[row * row_width_ + d] = static_cast<A>(from[row * width_ + d]);
      }
    }
  }

  // Scores to softmax weights, a query's in a lane of its own.
  void normalise_weights() {
    using V = typename Vector<A>::Type;
    const auto at = [&](std::int64_t key, std::int64_t lane) -> V& {
      return *reinterpret_cast<V*>(weights_.data() + key * stride_ + lane);
    };
    for (std::int64_t lane = 0; lane < stride_; lane += kLanes) {
      V largest = at(0, lane);
      for (std::int64_t j = 1; j < count_; ++j) {
        largest = at(j, lane) > largest ? at(j, lane) : largest;
      }
      for (std::int64_t j = 0; j < count_; ++j) at(j, lane) -= largest;
    }
    exp_row(weights_.data(), count_ * stride_, A(0));
    for (std::int64_t lane = 0; lane < stride_; lane += kLanes) {
      V total = {};
      for (std::int64_t j = 0; j < count_; ++j) total += at(j, lane);
      const V inverse = A(1) / total;
      for (std::int64_t j = 0; j < count_; ++j) at(j, lane) *= inverse;
    }
  }

  std::int64_t group_, width_;
  std::int64_t stride_;     // of keys in weights_, and of elements in query_: the group, padded
  std::int64_t row_width_;  // of rows_ and sums_
  A scale_;
  std::int64_t count_ = 0;
  std::vector<A> query_;    // (width, group): times the scale
  std::vector<A> weights_;  // (keys, group)
  std::vector<A> rows_, sums_;
};

}  // namespace unfold::gsa::kernels::cpu
