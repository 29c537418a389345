#include "gsa/kernels/selection.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "core/parallel.h"
#include "gsa/cpu/pivots.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Fewest gists, best first, whose softmax mass reaches top_p: their number.
std::int64_t count_for_mass(std::vector<double> scores, double scale, double top_p) {
  std::sort(scores.begin(), scores.end(), std::greater<>());
  double total = 0;
  for (const double score : scores) total += std::exp((score - scores[0]) * scale);
  double mass = 0;
  std::int64_t count = 0;
  for (const double score : scores) {
    if (count > 0 && mass >= top_p * total) break;
    mass += std::exp((score - scores[0]) * scale);
    ++count;
  }
  return count;
}

// The picks of one (query, key/value head), level by level.
template <typename T, typename A>
class Descent {
 public:
  Descent(const AttentionShape& shape, const SelectionConfig& config)
      : shape_(shape), config_(config) {}

  // Unites the picks of all heads of the group into picks[level].
  void run(const T* query_heads, std::uint64_t query_number, std::int64_t kv_head,
           std::int64_t entries, const DocumentChunks& document, const Pivots<A>& pivots,
           std::vector<std::vector<std::int32_t>>& picks) {
    picks.assign(document.levels.size(), {});
    query_.resize(static_cast<std::size_t>(shape_.width));
    for (std::int64_t h = 0; h < shape_.group(); ++h) {
      const std::int64_t head = kv_head * shape_.group() + h;
      for (std::int64_t d = 0; d < shape_.width; ++d) {
        query_[static_cast<std::size_t>(d)] = static_cast<A>(query_heads[head * shape_.width + d]);
      }
      const std::uint64_t key =
          query_number * static_cast<std::uint64_t>(shape_.heads) + static_cast<std::uint64_t>(head);
      descend(key, entries, document, pivots, picks);
    }
    for (std::vector<std::int32_t>& level : picks) {
      std::sort(level.begin(), level.end());
      level.erase(std::unique(level.begin(), level.end()), level.end());
    }
  }

  std::int64_t scores_computed() const { return scores_computed_; }

 private:
  void descend(std::uint64_t key, std::int64_t entries, const DocumentChunks& document,
               const Pivots<A>& pivots, std::vector<std::vector<std::int32_t>>& picks) {
    const std::size_t top = document.levels.size() - 1;
    candidates_.resize(document.levels[top].gist.size());
    for (std::size_t j = 0; j < candidates_.size(); ++j) {
      candidates_[j] = static_cast<std::int32_t>(j);
    }
    for (std::size_t level = top + 1; level-- > 0;) {
      const auto gists = static_cast<std::int64_t>(document.levels[level].gist.size());
      scores_.clear();
      for (const std::int32_t j : candidates_) {
        scores_.push_back(static_cast<double>(pivots.score(query_.data(), key, level, j)));
      }
      scores_computed_ += static_cast<std::int64_t>(scores_.size());
      std::int64_t count = pick_count(config_, entries, shape_.group(), gists);
      if (config_.budget == Budget::top_p) {
        const double scale = 1.0 / std::sqrt(static_cast<double>(shape_.width));
        count = std::min(count, count_for_mass(scores_, scale, config_.top_p));
      }
      next_.clear();
      for (const std::int32_t at : top_indices(scores_, count)) {
        const std::int32_t picked = candidates_[static_cast<std::size_t>(at)];
        picks[level].push_back(picked);
        if (level == 0) continue;
        const std::vector<std::int32_t>& child = document.levels[level].first_child;
        for (std::int32_t c = child[static_cast<std::size_t>(picked)];
             c < child[static_cast<std::size_t>(picked) + 1]; ++c) {
          next_.push_back(c);
        }
      }
      candidates_ = next_;
    }
  }

  const AttentionShape& shape_;
  const SelectionConfig& config_;
  std::int64_t scores_computed_ = 0;
  std::vector<A> query_;
  std::vector<double> scores_;
  std::vector<std::int32_t> candidates_;
  std::vector<std::int32_t> next_;
};

}  // namespace

void select_chunks(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
                   std::int64_t length, const SelectionConfig& config, Selection& selection) {
  const auto queries = static_cast<std::int64_t>(table.suffix.size());
  const int levels = table.documents.empty() ? 0 : static_cast<int>(table.documents[0].levels.size());
  selection.levels = levels;
  selection.kv_heads = shape.kv_heads;
  std::vector<std::vector<std::vector<std::int32_t>>> all(
      static_cast<std::size_t>(queries * shape.kv_heads));
  std::vector<std::int64_t> computed(static_cast<std::size_t>(shape.kv_heads), 0);
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t stride = shape.qkv_width();
    core::parallel_for(shape.kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t kv_head = begin; kv_head < end; ++kv_head) {
        Descent<T, A> descent(shape, config);
        std::int32_t current = -1;
        std::unique_ptr<Pivots<A>> pivots;
        for (std::int64_t s = 0; s < queries; ++s) {
          const ChunkTable::SuffixQuery& query = table.suffix[static_cast<std::size_t>(s)];
          const DocumentChunks& document =
              table.documents[static_cast<std::size_t>(query.document)];
          const T* row = qkv.data<T>() + document.row * length * stride;
          if (query.document != current) {
            current = query.document;
            pivots = std::make_unique<Pivots<A>>(row + (shape.heads + kv_head) * shape.width,
                                                 stride, shape.width, document, config);
          }
          const auto number = static_cast<std::uint64_t>(document.row * length + query.position);
          descent.run(row + query.position * stride, number, kv_head,
                      query.position - document.begin + 1, document, *pivots,
                      all[static_cast<std::size_t>(s * shape.kv_heads + kv_head)]);
        }
        computed[static_cast<std::size_t>(kv_head)] = descent.scores_computed();
      }
    });
  });
  selection.offsets = {0};
  selection.picks.clear();
  for (const auto& pair : all) {
    for (const auto& level : pair) {
      selection.picks.insert(selection.picks.end(), level.begin(), level.end());
      selection.offsets.push_back(static_cast<std::int64_t>(selection.picks.size()));
    }
  }
  selection.scores_computed = 0;
  for (const std::int64_t count : computed) selection.scores_computed += count;
}

}  // namespace unfold::gsa::kernels::cpu
