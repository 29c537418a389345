#include "gsa/kernels/decode.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/cpu/scalar.h"
#include "core/parallel.h"
#include "gsa/cpu/observation.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

template <typename A>
using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using Rows = Eigen::Map<const Matrix<T>>;

// Keys or values of one head: `count` rows from `begin` on.
template <typename T>
Rows<T> rows_of(const Tensor& section, std::int64_t kv_head, std::int64_t begin,
                std::int64_t count) {
  const std::int64_t width = section.dim(2);
  const T* first = section.data<T>() + (kv_head * section.dim(1) + begin) * width;
  return {first, count, width};
}

template <typename T>
class CpuKeys : public KeyReader {
 public:
  CpuKeys(const KeyStore& store, std::int64_t kv_head) : store_(store), kv_head_(kv_head) {}

  void score(const CacheSpan& span, std::span<const double> query, double* scores) const override {
    if (span.begin >= span.end) return;
    const Eigen::Map<const Eigen::VectorXd> vector(query.data(),
                                                   static_cast<std::int64_t>(query.size()));
    const Rows<T> keys = rows(span);
    Eigen::RowVector<Accumulator<T>, Eigen::Dynamic> key(keys.cols());
    for (std::int64_t j = 0; j < keys.rows(); ++j) {
      const T* from = keys.data() + j * keys.cols();
      for (std::int64_t d = 0; d < keys.cols(); ++d) key[d] = static_cast<Accumulator<T>>(from[d]);
      scores[j] = key.template cast<double>().dot(vector);
    }
  }

  void read(const CacheSpan& span, double* out) const override {
    if (span.begin >= span.end) return;
    const Rows<T> keys = rows(span);
    for (std::int64_t i = 0; i < keys.size(); ++i) {
      out[i] = static_cast<double>(static_cast<Accumulator<T>>(keys.data()[i]));
    }
  }

 private:
  Rows<T> rows(const CacheSpan& span) const {
    core::check(span.begin >= 0 && span.end <= store_.size(span.section), "cached_attention",
                "keys {} to {} of the {} in section {}", span.begin, span.end,
                store_.size(span.section), span.section);
    return rows_of<T>(store_.keys(span.section), kv_head_, span.begin, span.end - span.begin);
  }

  const KeyStore& store_;
  std::int64_t kv_head_;
};

// Appends a head's keys and values of the new tokens of one sequence, for which there is room.
template <typename T>
void store_head(const Tensor& qkv, const AttentionShape& shape, const CachedTokens& sequence,
                std::int64_t head) {
  const SequenceTokens& tokens = *sequence.tokens;
  const KeyStore& store = *sequence.store;
  for (std::int64_t t = sequence.first; t < tokens.size(); ++t) {
    const int section = section_of(tokens.level(t));
    const T* row = qkv.data<T>() + (sequence.row + t - sequence.first) * shape.qkv_width() +
                   (shape.heads + head) * shape.width;
    const Tensor& keys = store.keys(section);
    const std::int64_t to = (head * keys.dim(1) + tokens.before(section, t)) * shape.width;
    std::copy_n(row, shape.width, keys.data<T>() + to);
    std::copy_n(row + shape.kv_heads * shape.width, shape.width,
                store.values(section).data<T>() + to);
  }
}

// The queries of one sequence and key/value head, in order.
template <typename T>
class HeadWork {
  using A = Accumulator<T>;

 public:
  HeadWork(const Tensor& qkv, const AttentionShape& shape, const Tensor& out)
      : qkv_(qkv),
        shape_(shape),
        out_(out),
        scale_(A(1) / std::sqrt(static_cast<A>(shape.width))) {}

  void run(const CachedTokens& sequence, std::int64_t kv_head, ReadCount& count) {
    HeadPolicy& policy = *sequence.heads[static_cast<std::size_t>(kv_head)];
    const CpuKeys<T> keys(*sequence.store, kv_head);
    for (std::int64_t t = std::max(sequence.first, sequence.prefix); t < sequence.tokens->size();
         ++t) {
      const std::int64_t row = sequence.row + t - sequence.first;
      load_query(row, kv_head);
      const PolicyQuery query = {t, heads_, keys, *sequence.tokens};
      spans_.clear();
      SelectionTrace trace;
      policy.select(query, spans_, trace);
      normalise(spans_);
      count.keys += attend(*sequence.store, row, kv_head);
      count.scored += trace.scored;
      ++count.units;
      if (policy.wants_weights()) {
        weights_.resize(static_cast<std::size_t>(scores_.cols()));
        for (std::int64_t j = 0; j < scores_.cols(); ++j) {
          weights_[static_cast<std::size_t>(j)] = static_cast<double>(scores_.col(j).sum());
        }
        policy.attended(query, spans_, weights_);
      }
      if (sequence.observer != nullptr) (*sequence.observer)(kv_head, t, trace, spans_);
    }
  }

 private:
  void load_query(std::int64_t row, std::int64_t kv_head) {
    const std::int64_t group = shape_.group();
    const T* from = qkv_.data<T>() + row * shape_.qkv_width() + kv_head * group * shape_.width;
    query_.resize(group, shape_.width);
    heads_.resize(static_cast<std::size_t>(group * shape_.width));
    for (std::int64_t i = 0; i < query_.size(); ++i) {
      query_.data()[i] = static_cast<A>(from[i]);
      heads_[static_cast<std::size_t>(i)] = static_cast<double>(query_.data()[i]);
    }
  }

  // Rows of T as accumulator values: themselves unless T is bfloat16.
  template <typename Use>
  void with_rows(const Tensor& section, const CacheSpan& span, std::int64_t kv_head, Use&& use) {
    const Rows<T> rows = rows_of<T>(section, kv_head, span.begin, span.end - span.begin);
    if constexpr (std::is_same_v<T, A>) {
      use(rows);
    } else {
      converted_.resize(rows.rows(), rows.cols());
      for (std::int64_t i = 0; i < rows.size(); ++i) {
        converted_.data()[i] = static_cast<A>(rows.data()[i]);
      }
      use(converted_);
    }
  }

  // Softmax attention over spans_; leaves the weights in scores_. Returns the number of keys.
  std::int64_t attend(const KeyStore& store, std::int64_t row, std::int64_t kv_head) {
    const std::int64_t count = count_keys(spans_);
    core::check(count > 0, "cached_attention", "a query that reads no key");
    scores_.resize(shape_.group(), count);
    std::int64_t at = 0;
    for (const CacheSpan& span : spans_) {
      core::check(span.section < store.sections() && span.begin >= 0 &&
                      span.end <= store.size(span.section),
                  "cached_attention", "keys {} to {} of section {}", span.begin, span.end,
                  span.section);
      with_rows(store.keys(span.section), span, kv_head, [&](const auto& keys) {
        scores_.middleCols(at, keys.rows()).noalias() = query_ * keys.transpose();
      });
      at += span.end - span.begin;
    }
    for (std::int64_t h = 0; h < shape_.group(); ++h) {
      auto scores = scores_.row(h).array();
      scores = ((scores - scores.maxCoeff()) * scale_).exp();
      scores /= scores.sum();
    }
    sums_.setZero(shape_.group(), shape_.width);
    at = 0;
    for (const CacheSpan& span : spans_) {
      with_rows(store.values(span.section), span, kv_head, [&](const auto& values) {
        sums_.noalias() += scores_.middleCols(at, values.rows()) * values;
      });
      at += span.end - span.begin;
    }
    T* to = out_.data<T>() + row * shape_.out_width() + kv_head * shape_.group() * shape_.width;
    for (std::int64_t i = 0; i < sums_.size(); ++i) to[i] = static_cast<T>(sums_.data()[i]);
    return count;
  }

  const Tensor& qkv_;
  const AttentionShape& shape_;
  const Tensor& out_;
  A scale_;
  Matrix<A> query_, scores_, sums_, converted_;
  std::vector<double> heads_, weights_;
  std::vector<CacheSpan> spans_;
};

}  // namespace

// A task is one sequence and key/value head: its queries come in order, as policies with a memory
// need, and what it adds up belongs to it alone.
void cached_attention(const Tensor& qkv, const AttentionShape& shape,
                      std::span<CachedTokens> sequences, const Tensor& out) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto count = static_cast<std::int64_t>(sequences.size());
    const std::int64_t tasks = count * shape.kv_heads;
    for (const CachedTokens& sequence : sequences) make_room(sequence);
    // A thread is worth it from some hundred tokens on: prompts, not decoding.
    const std::int64_t grain =
        std::max<std::int64_t>(1, 512 * count / std::max<std::int64_t>(1, qkv.dim(0)));
    core::parallel_for(tasks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        store_head<T>(qkv, shape, sequences[static_cast<std::size_t>(task / shape.kv_heads)],
                      task % shape.kv_heads);
      }
    });
    observe_prompts(qkv, shape, sequences);
    const bool observed = std::any_of(sequences.begin(), sequences.end(),
                                      [](const auto& one) { return one.observer != nullptr; });
    std::vector<ReadCount> reads(static_cast<std::size_t>(tasks));
    core::parallel_for(tasks, observed ? tasks : 1, [&](std::int64_t begin, std::int64_t end) {
      HeadWork<T> work(qkv, shape, out);
      for (std::int64_t task = begin; task < end; ++task) {
        work.run(sequences[static_cast<std::size_t>(task / shape.kv_heads)], task % shape.kv_heads,
                 reads[static_cast<std::size_t>(task)]);
      }
    });
    for (std::int64_t task = 0; task < tasks; ++task) {
      sequences[static_cast<std::size_t>(task / shape.kv_heads)].count +=
          reads[static_cast<std::size_t>(task)];
    }
  });
}

}  // namespace unfold::gsa::kernels::cpu
