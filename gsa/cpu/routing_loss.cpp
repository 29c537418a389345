#include "gsa/kernels/routing_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "core/parallel.h"
#include "gsa/cpu/attention_data.h"
#include "gsa/cpu/exp_row.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Scores of a block of queries: this many elements stay in the second-level cache.
constexpr std::int64_t kBlockScores = 1 << 16;

// The queries of one document with the heads of one key/value head. They are stacked query by
// query, so that a block holds all heads of its queries, over which the target is a mean.
template <typename T, typename A>
class Task {
 public:
  Task(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table, std::int64_t length,
       const Tensor& dqkv)
      : qkv_(qkv.data<T>()),
        dqkv_(dqkv.defined() ? dqkv.data<A>() : nullptr),
        shape_(shape),
        table_(table),
        length_(length) {}

  // The loss of the document's queries.
  double run(std::int64_t index, std::int64_t kv_head) {
    const auto d = static_cast<std::size_t>(index);
    document_ = &table_.documents[d];
    kv_head_ = kv_head;
    const auto first = static_cast<std::size_t>(table_.first_query[d]);
    const auto all =
        std::span(table_.suffix)
            .subspan(first, static_cast<std::size_t>(table_.first_query[d + 1]) - first);
    if (all.empty()) return 0;
    const std::int64_t keys_begin = (shape_.heads + kv_head) * shape_.width;
    const T* section = qkv_ + document_->row * length_ * stride() + keys_begin;
    gather(section, document_->raw, raw_keys_);
    gist_keys_.resize(document_->levels.size());
    dgist_keys_.resize(document_->levels.size());
    for (std::size_t l = 0; l < document_->levels.size(); ++l) {
      const std::vector<std::int32_t>& gists = document_->levels[l].gist;
      gather(section, gists, gist_keys_[l]);
      dgist_keys_[l].setZero(static_cast<std::int64_t>(gists.size()) * row_width());
    }
    const auto columns = padded<A>(static_cast<std::int64_t>(document_->raw.size()));
    const std::size_t step = static_cast<std::size_t>(
        std::clamp<std::int64_t>(std::min(kBlockScores / columns, kMaxQueries) / shape_.group(), 1,
                                 std::max<std::int64_t>(1, kMaxQueries / shape_.group())));
    double loss = 0;
    for (std::size_t begin = 0; begin < all.size(); begin += step) {
      loss += block(all.subspan(begin, std::min(step, all.size() - begin)));
    }
    if (dqkv_ != nullptr) store_gist_gradients(keys_begin);
    return loss;
  }

 private:
  std::int64_t stride() const { return shape_.qkv_width(); }
  std::int64_t row_width() const { return padded<A>(shape_.width); }

  void gather(const T* section, const std::vector<std::int32_t>& positions, GatheredRows<A>& out) {
    const auto count = static_cast<std::int64_t>(positions.size());
    out.gather(section, stride(), positions.data(), count, shape_.width);
    out.transpose(count, shape_.width);
  }

  double block(std::span<const ChunkTable::SuffixQuery> queries) {
    load(queries);
    find_targets(queries);
    dquery_.setZero(rows_ * row_width());
    double loss = 0;
    for (std::size_t level = 0; level < document_->levels.size(); ++level) {
      loss += score_level(queries, level);
    }
    if (dqkv_ == nullptr) return loss;
    const A scale = A(1) / std::sqrt(static_cast<A>(shape_.width));
    for (std::int64_t r = 0; r < rows_; ++r) {
      const auto& query = queries[static_cast<std::size_t>(r / shape_.group())];
      A* to = dqkv_ + query_at(query.position, r % shape_.group());
      const A* from = dquery_.data() + r * row_width();
      for (std::int64_t d = 0; d < shape_.width; ++d) to[d] += scale * from[d];
    }
    return loss;
  }

  std::int64_t query_at(std::int32_t position, std::int64_t group_head) const {
    return (document_->row * length_ + position) * stride() +
           (kv_head_ * shape_.group() + group_head) * shape_.width;
  }

  void load(std::span<const ChunkTable::SuffixQuery> queries) {
    rows_ = static_cast<std::int64_t>(queries.size()) * shape_.group();
    query_.setZero(rows_ * row_width());
    const A scale = A(1) / std::sqrt(static_cast<A>(shape_.width));
    for (std::int64_t r = 0; r < rows_; ++r) {
      const auto& query = queries[static_cast<std::size_t>(r / shape_.group())];
      const T* from = qkv_ + query_at(query.position, r % shape_.group());
      A* to = query_.data() + r * row_width();
      for (std::int64_t d = 0; d < shape_.width; ++d) to[d] = scale * static_cast<A>(from[d]);
    }
  }

  // Scores of the block against the first `count` keys; returns the elements between two rows.
  std::int64_t score(const GatheredRows<A>& keys, std::int64_t count) {
    const std::int64_t columns = padded<A>(count);
    const std::int64_t between = columns + Vector<A>::kLanes;
    scores_.resize(rows_ * between);
    multiply<A>({query_.data(), row_width(), 1}, keys.panels(0), rows_, shape_.width,
                columns / Vector<A>::kLanes, false, {scores_.data(), between});
    return between;
  }

  // exp(score - largest) of the first `count` columns, 0 behind them up to `columns`. Returns
  // log-sum-exp and leaves the sum in total.
  static A exponentials(A* row, std::int64_t count, std::int64_t columns, A& total) {
    std::fill(row + count, row + columns, -std::numeric_limits<A>::infinity());
    const A largest = largest_of_row(row, padded<A>(count));
    total = exp_row(row, padded<A>(count), largest);
    std::fill(row + padded<A>(count), row + columns, A(0));
    return largest + std::log(total);
  }

  // targets_: p of every query and chunk, (queries, chunks).
  void find_targets(std::span<const ChunkTable::SuffixQuery> queries) {
    const std::vector<std::int32_t>& raw = document_->raw;
    const auto seen_by = [&](std::int32_t position) {
      return static_cast<std::int64_t>(std::upper_bound(raw.begin(), raw.end(), position) -
                                       raw.begin());
    };
    const std::int64_t columns = padded<A>(seen_by(queries.back().position));
    const std::int64_t between = score(raw_keys_, seen_by(queries.back().position));
    const std::vector<std::int32_t>& first = document_->chunk_begin;
    const std::vector<std::int32_t>& end = document_->levels[0].first_child;
    targets_.assign(queries.size() * static_cast<std::size_t>(document_->chunks()), A(0));
    mean_.resize(columns);
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const std::int64_t count = seen_by(queries[i].position);
      mean_.setZero();
      for (std::int64_t h = 0; h < shape_.group(); ++h) {
        A* row = scores_.data() + (static_cast<std::int64_t>(i) * shape_.group() + h) * between;
        A total = 0;
        exponentials(row, count, columns, total);
        mean_ += View<A>(row, columns) * (A(1) / (total * static_cast<A>(shape_.group())));
      }
      A* target = targets_.data() + static_cast<std::int64_t>(i) * document_->chunks();
      const std::int32_t chunks = document_->covered_gists(0, queries[i].tops);
      for (std::int32_t j = 0; j < chunks; ++j) {
        const auto at = static_cast<std::size_t>(j);
        target[j] = std::accumulate(mean_.data() + first[at], mean_.data() + end[at + 1], A(0));
      }
    }
  }

  // The terms of one level, and their gradients: d term / d score = mass r - p.
  double score_level(std::span<const ChunkTable::SuffixQuery> queries, std::size_t level) {
    const std::int64_t most =
        document_->covered_gists(static_cast<int>(level), queries.back().tops);
    const std::int64_t columns = padded<A>(most);
    const std::int64_t between = score(gist_keys_[level], most);
    double loss = 0;
    target_.resize(columns);
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const std::int64_t count = document_->covered_gists(static_cast<int>(level), queries[i].tops);
      const A mass = cover(i, level, count);
      for (std::int64_t h = 0; h < shape_.group(); ++h) {
        A* scores = scores_.data() + (static_cast<std::int64_t>(i) * shape_.group() + h) * between;
        View<A> row(scores, columns);
        std::fill(scores + count, scores + columns, A(0));  // 0 times what panels hold there
        const A expected = (target_ * row).sum();
        A total = 0;
        const A lse = exponentials(scores, count, columns, total);
        loss += static_cast<double>(mass * lse - expected);
        row = row * (mass / total) - target_;
      }
    }
    if (dqkv_ == nullptr) return loss;
    const std::int64_t vectors = row_width() / Vector<A>::kLanes;
    multiply<A>({scores_.data(), between, 1}, gist_keys_[level].rows(0), rows_, most, vectors, true,
                {dquery_.data(), row_width()});
    multiply<A>({scores_.data(), 1, between}, {query_.data(), row_width()}, most, rows_, vectors,
                true, {dgist_keys_[level].data(), row_width()});
    return loss;
  }

  // target_: p of a query summed over what each of the first `count` gists of a level covers.
  // Returns the sum of all.
  A cover(std::size_t query, std::size_t level, std::int64_t count) {
    const A* chunk = targets_.data() + static_cast<std::int64_t>(query) * document_->chunks();
    target_.setZero();
    A mass = 0;
    std::int32_t last = 0;
    for (std::int32_t j = 0; j < count; ++j) {
      std::int32_t end = j + 1;
      for (std::size_t l = level; l > 0; --l) {
        end = document_->levels[l].first_child[static_cast<std::size_t>(end)];
      }
      target_[j] = std::accumulate(chunk + last, chunk + end, A(0));
      mass += target_[j];
      last = end;
    }
    return mass;
  }

  // Keys come unscaled, queries scaled: the products with dquery are scaled when stored, these not.
  void store_gist_gradients(std::int64_t keys_begin) {
    for (std::size_t l = 0; l < document_->levels.size(); ++l) {
      const A* from = dgist_keys_[l].data();
      for (const std::int32_t gist : document_->levels[l].gist) {
        A* to = dqkv_ + (document_->row * length_ + gist) * stride() + keys_begin;
        for (std::int64_t d = 0; d < shape_.width; ++d) to[d] += from[d];
        from += row_width();
      }
    }
  }

  const T* qkv_;
  A* dqkv_;
  const AttentionShape& shape_;
  const ChunkTable& table_;
  std::int64_t length_;
  const DocumentChunks* document_ = nullptr;
  std::int64_t kv_head_ = 0;
  GatheredRows<A> raw_keys_;
  std::vector<GatheredRows<A>> gist_keys_;
  std::vector<Buffer<A>> dgist_keys_;  // (gists, row width) a level
  std::int64_t rows_ = 0;              // queries of the block times heads
  Buffer<A> query_, dquery_;           // (rows, row width)
  Buffer<A> scores_;
  Buffer<A> mean_;
  Buffer<A> target_;
  std::vector<A> targets_;
};

}  // namespace

// One task a (document, key/value head): it owns the gist keys and queries it adds to, so sums are
// taken in one order whatever the thread count.
void routing_loss(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
                  std::int64_t length, const Tensor& loss, const Tensor& dqkv) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const auto tasks = static_cast<std::int64_t>(table.documents.size()) * shape.kv_heads;
    std::vector<double> losses(static_cast<std::size_t>(tasks));
    core::parallel_for(tasks, 1, [&](std::int64_t begin, std::int64_t end) {
      Task<T, A> task(qkv, shape, table, length, dqkv);
      for (std::int64_t i = begin; i < end; ++i) {
        losses[static_cast<std::size_t>(i)] = task.run(i / shape.kv_heads, i % shape.kv_heads);
      }
    });
    *loss.data<A>() = static_cast<A>(std::accumulate(losses.begin(), losses.end(), 0.0));
  });
}

}  // namespace unfold::gsa::kernels::cpu
