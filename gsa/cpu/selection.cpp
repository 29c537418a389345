#include "gsa/kernels/selection.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/parallel.h"
#include "gsa/cpu/pivots.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Queries with their heads that are scored at once.
constexpr std::int64_t kBlockQueries = 16;

// The picks of one (query, key/value head), level 0 first.
struct Picks {
  std::vector<std::int32_t> all;
  std::vector<std::int32_t> counts;  // a level
};

// Descends for some queries of one document and key/value head.
template <typename T, typename A>
class Descent {
 public:
  Descent(const T* qkv, const AttentionShape& shape, const ChunkTable& table, std::int64_t length,
          const SelectionConfig& config)
      : qkv_(qkv), shape_(shape), table_(table), length_(length), config_(config) {}

  // Queries [first, last) of the table; picks of query q go to picks[q * kv_heads + kv_head].
  void run(std::int64_t first, std::int64_t last, std::int64_t kv_head, const Pivots<A>* pivots,
           std::vector<Picks>& picks) {
    document_ = &table_.document_of(table_.suffix[static_cast<std::size_t>(first)]);
    pivots_ = pivots;
    if (pivots_ != nullptr) score_tops(first, last, kv_head);
    for (std::int64_t q = first; q < last; ++q) {
      const ChunkTable::SuffixQuery& query = table_.suffix[static_cast<std::size_t>(q)];
      united_.resize(document_->levels.size());
      for (std::vector<std::int32_t>& level : united_) level.clear();
      for (std::int64_t h = 0; h < shape_.group(); ++h) {
        row_ = (q - first) * shape_.group() + h;
        head_ = kv_head * shape_.group() + h;
        descend(query);
      }
      Picks& to = picks[static_cast<std::size_t>(q * shape_.kv_heads + kv_head)];
      for (std::vector<std::int32_t>& level : united_) {
        std::sort(level.begin(), level.end());
        level.erase(std::unique(level.begin(), level.end()), level.end());
        to.all.insert(to.all.end(), level.begin(), level.end());
        to.counts.push_back(static_cast<std::int32_t>(level.size()));
      }
    }
  }

  std::int64_t scores_computed() const { return scores_computed_; }

 private:
  std::int64_t token_of(const ChunkTable::SuffixQuery& query) const {
    return document_->row * length_ + query.position;
  }

  // All queries of the block, all their heads, against the top-level pivots.
  void score_tops(std::int64_t first, std::int64_t last, std::int64_t kv_head) {
    const std::int64_t rows = (last - first) * shape_.group();
    const std::int64_t query_width = padded<A>(pivots_->width());
    queries_.setZero(rows * query_width);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto& query = table_.suffix[static_cast<std::size_t>(first + r / shape_.group())];
      const std::int64_t head = kv_head * shape_.group() + r % shape_.group();
      load_pivot_query(qkv_ + token_of(query) * shape_.qkv_width() + head * shape_.width,
                       shape_.width, config_.pivot, queries_.data() + r * query_width);
    }
    const std::int64_t tops = table_.suffix[static_cast<std::size_t>(last - 1)].tops;
    between_ = padded<A>(tops) + Vector<A>::kLanes;
    tops_.resize(rows * between_);
    pivots_->score_tops(queries_.data(), rows, tops, tops_.data(), between_);
  }

  double score(const ChunkTable::SuffixQuery& query, std::size_t level, std::int32_t j) const {
    if (pivots_ == nullptr) {
      return random_score(config_.seed, token_of(query), shape_.heads, head_, level, j);
    }
    if (level + 1 == document_->levels.size()) {
      return static_cast<double>(tops_[row_ * between_ + j]);
    }
    const A* vector = queries_.data() + row_ * padded<A>(pivots_->width());
    return static_cast<double>(pivots_->score(vector, level, j));
  }

  void descend(const ChunkTable::SuffixQuery& query) {
    const std::int64_t entries = query.position - document_->begin + 1;
    const std::size_t top = document_->levels.size() - 1;
    candidates_.resize(static_cast<std::size_t>(query.tops));
    for (std::int32_t j = 0; j < query.tops; ++j) candidates_[static_cast<std::size_t>(j)] = j;
    for (std::size_t level = top + 1; level-- > 0;) {
      scores_.clear();
      for (const std::int32_t j : candidates_) scores_.push_back(score(query, level, j));
      scores_computed_ += static_cast<std::int64_t>(scores_.size());
      std::int64_t mass = 0;
      if (config_.budget == Budget::top_p) {
        mass = count_for_mass(scores_, 1.0 / std::sqrt(static_cast<double>(shape_.width)),
                              config_.top_p);
      }
      const std::int64_t count =
          pick_count(config_, entries, shape_.group(),
                     document_->covered_gists(static_cast<int>(level), query.tops), mass);
      next_.clear();
      top_indices(scores_, count, best_);
      for (const std::int32_t at : best_) {
        const std::int32_t picked = candidates_[static_cast<std::size_t>(at)];
        united_[level].push_back(picked);
        if (level == 0) continue;
        const std::vector<std::int32_t>& child = document_->levels[level].first_child;
        for (std::int32_t c = child[static_cast<std::size_t>(picked)];
             c < child[static_cast<std::size_t>(picked) + 1]; ++c) {
          next_.push_back(c);
        }
      }
      candidates_.swap(next_);
    }
  }

  const T* qkv_;
  const AttentionShape& shape_;
  const ChunkTable& table_;
  std::int64_t length_;
  const SelectionConfig& config_;
  const DocumentChunks* document_ = nullptr;
  const Pivots<A>* pivots_ = nullptr;  // none for Pivot::random
  std::int64_t scores_computed_ = 0;
  std::int64_t row_ = 0;   // of the block: the query and head that descends
  std::int64_t head_ = 0;  // of all query heads
  Buffer<A> queries_;      // (rows, padded pivot width)
  Buffer<A> tops_;         // (rows, between) scores of the top-level gists
  std::int64_t between_ = 0;
  std::vector<std::vector<std::int32_t>> united_;
  std::vector<double> scores_;
  std::vector<std::int32_t> best_, candidates_, next_;
};

void collect(const std::vector<Picks>& picks, Selection& selection) {
  selection.offsets = {0};
  selection.picks.clear();
  for (const Picks& pair : picks) {
    selection.picks.insert(selection.picks.end(), pair.all.begin(), pair.all.end());
    for (const std::int32_t count : pair.counts) {
      selection.offsets.push_back(selection.offsets.back() + count);
    }
  }
}

}  // namespace

void select_chunks(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
                   std::int64_t length, const SelectionConfig& config, Selection& selection) {
  selection.levels =
      table.documents.empty() ? 0 : static_cast<int>(table.documents[0].levels.size());
  selection.kv_heads = shape.kv_heads;
  std::vector<Picks> picks(table.suffix.size() * static_cast<std::size_t>(shape.kv_heads));
  struct Block {
    std::int64_t first, last;  // queries of one document
  };
  std::vector<Block> blocks;
  for (std::size_t d = 0; d < table.documents.size(); ++d) {
    for (std::int64_t q = table.first_query[d]; q < table.first_query[d + 1]; q += kBlockQueries) {
      blocks.push_back({q, std::min<std::int64_t>(q + kBlockQueries, table.first_query[d + 1])});
    }
  }
  std::vector<std::int64_t> computed(blocks.size());
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t stride = shape.qkv_width();
    std::vector<std::optional<Pivots<A>>> pivots(table.documents.size() *
                                                 static_cast<std::size_t>(shape.kv_heads));
    core::parallel_for(
        static_cast<std::int64_t>(pivots.size()), 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const auto d = static_cast<std::size_t>(i / shape.kv_heads);
            const DocumentChunks& document = table.documents[d];
            if (config.pivot == Pivot::random || table.first_query[d] == table.first_query[d + 1]) {
              continue;
            }
            const T* keys = qkv.data<T>() + document.row * length * stride +
                            (shape.heads + i % shape.kv_heads) * shape.width;
            pivots[static_cast<std::size_t>(i)].emplace(keys, stride, shape.width, document,
                                                        config.pivot);
          }
        });
    core::parallel_for(
        static_cast<std::int64_t>(blocks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
          for (auto b = static_cast<std::size_t>(begin); b < static_cast<std::size_t>(end); ++b) {
            Descent<T, A> descent(qkv.data<T>(), shape, table, length, config);
            const auto document = table.suffix[static_cast<std::size_t>(blocks[b].first)].document;
            for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
              const auto& own =
                  pivots[static_cast<std::size_t>(document * shape.kv_heads + kv_head)];
              descent.run(blocks[b].first, blocks[b].last, kv_head, own ? &*own : nullptr, picks);
            }
            computed[b] = descent.scores_computed();
          }
        });
  });
  collect(picks, selection);
  selection.scores_computed = 0;
  for (const std::int64_t count : computed) selection.scores_computed += count;
}

}  // namespace unfold::gsa::kernels::cpu
