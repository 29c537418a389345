#include "tests/gsa/selection_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/random.h"
#include "gsa/visibility.h"

namespace unfold::gsa {
namespace {

class Oracle {
 public:
  Oracle(const std::vector<double>& qkv, const AttentionShape& shape, const Layout& layout,
         const GistConfig& gist, const SelectionConfig& config)
      : qkv_(qkv), shape_(shape), layout_(layout), gist_(gist), config_(config) {}

  OracleQuery run(std::int64_t row, const DocumentSpan& document, std::int32_t q,
                  const VisibilityCounts& counts) {
    row_ = row;
    document_ = document;
    q_ = q;
    OracleQuery result{row, q, {}, {}, 0, 0};
    behind_ = document.begin;  // first position behind the last top-level gist before q
    for (std::int32_t t = document.begin; t < q; ++t) {
      if (level(t) == layout_.levels - 1) behind_ = t + 1;
    }
    const auto levels = static_cast<std::size_t>(layout_.levels);
    for (std::int64_t kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
      std::vector<std::vector<std::int32_t>> united(levels);
      for (std::int64_t h = 0; h < shape_.group(); ++h) {
        descend(kv_head, kv_head * shape_.group() + h, united, result);
      }
      for (auto& picked : united) {
        std::sort(picked.begin(), picked.end());
        picked.erase(std::unique(picked.begin(), picked.end()), picked.end());
      }
      std::vector<bool> sees(static_cast<std::size_t>(layout_.length), false);
      for (std::int32_t k = document.begin; k <= q; ++k) {
        const bool raw = level(k) < 0;
        bool seen = k >= behind_ || (raw && visible(counts, q, k, gist_, Visibility::gist));
        if (!raw && config_.unfold == Unfold::all_gists) seen = true;
        for (std::size_t l = 0; l < levels; ++l) {
          for (const std::int32_t gist : united[l]) {
            if (k == gist && config_.unfold == Unfold::picked_gists) seen = true;
            if (l == 0 && raw && covers(0, gist, k)) seen = true;
          }
        }
        sees[static_cast<std::size_t>(k)] = seen;
      }
      result.picks.push_back(united);
      result.sees.push_back(sees);
    }
    return result;
  }

 private:
  int level(std::int32_t t) const {
    return layout_.level[static_cast<std::size_t>(row_ * layout_.length + t)];
  }

  double at(std::int32_t t, std::int64_t column) const {
    return qkv_[static_cast<std::size_t>((row_ * layout_.length + t) * shape_.qkv_width() +
                                         column)];
  }

  // Whether a level-l gist covers position k: k stands before it, with no level-l gist from k on.
  bool covers(int l, std::int32_t gist, std::int32_t k) const {
    if (k >= gist || k < document_.begin) return false;
    for (std::int32_t t = k; t < gist; ++t) {
      if (level(t) == l) return false;
    }
    return true;
  }

  // Not of a system prompt, and no link.
  bool of_document(std::int32_t k) const {
    if (layout_.part.empty()) return true;
    const Part part = layout_.part[static_cast<std::size_t>(row_ * layout_.length + k)];
    return part != Part::system && part != Part::link;
  }

  std::vector<std::int32_t> gists(int l) const {
    std::vector<std::int32_t> result;
    for (std::int32_t t = document_.begin; t < behind_; ++t) {
      if (level(t) == l) result.push_back(t);
    }
    return result;
  }

  double score(std::int64_t kv_head, std::int64_t head, int l, std::int32_t gist,
               std::int32_t index) const {
    const std::int64_t query = head * shape_.width;
    const std::int64_t key = (shape_.heads + kv_head) * shape_.width;
    if (config_.pivot == Pivot::random) {
      const auto number =
          static_cast<std::uint64_t>((row_ * layout_.length + q_) * shape_.heads + head);
      const std::uint32_t bits =
          core::philox(config_.seed, number * 64 + static_cast<std::uint64_t>(l),
                       static_cast<std::uint64_t>(index))[0];
      return static_cast<double>(bits / 256) / 16777216.0;
    }
    double sum = 0;
    for (std::int64_t d = 0; d < shape_.width; ++d) {
      if (config_.pivot == Pivot::gist) {
        sum += at(q_, query + d) * at(gist, key + d);
        continue;
      }
      double total = 0;
      double count = 0;
      double low = std::numeric_limits<double>::infinity();
      double high = -low;
      for (std::int32_t k = document_.begin; k < gist; ++k) {
        if (level(k) >= 0 || !covers(l, gist, k) || !of_document(k)) continue;
        total += at(k, key + d);
        count += 1;
        low = std::min(low, at(k, key + d));
        high = std::max(high, at(k, key + d));
      }
      if (count == 0) continue;
      if (config_.pivot == Pivot::mean_pool) sum += at(q_, query + d) * total / count;
      if (config_.pivot == Pivot::quest) {
        sum += std::max(at(q_, query + d) * low, at(q_, query + d) * high);
      }
    }
    return sum;
  }

  std::int64_t budget(const std::vector<double>& scores, std::int64_t gists_of_level) const {
    const std::int64_t entries = q_ - document_.begin + 1;
    const auto floor_of = [](double x) { return static_cast<std::int64_t>(std::floor(x)); };
    const auto of_ratio = [&](double ratio) {
      const double kept = std::floor(static_cast<double>(entries) / ratio);
      const double a_head = std::floor(kept / static_cast<double>(shape_.group()));
      return floor_of(a_head / static_cast<double>(config_.chunk)) + 1;
    };
    std::int64_t k = 0;
    switch (config_.budget) {
      case Budget::paper:
        k = of_ratio(static_cast<double>(config_.rho));
        break;
      case Budget::ratio:
        k = of_ratio(config_.ratio);
        break;
      case Budget::fixed:
        k = config_.chunks;
        break;
      case Budget::top_p: {
        std::vector<double> weights;
        double total = 0;
        for (const double s : scores) {
          weights.push_back(std::exp(s / std::sqrt(static_cast<double>(shape_.width))));
          total += weights.back();
        }
        std::sort(weights.rbegin(), weights.rend());
        double mass = 0;
        while (k == 0 || (mass < config_.top_p * total && k < std::ssize(weights))) {
          mass += weights[static_cast<std::size_t>(k++)];
        }
        break;
      }
    }
    if (config_.quarter_cap) {
      k = std::min(k, std::max<std::int64_t>(1, floor_of(static_cast<double>(gists_of_level) / 4)));
    }
    k = std::min(k, gists_of_level);
    const double all = static_cast<double>(gists_of_level);
    return std::llround(all + (static_cast<double>(k) - all) * (1 - config_.anneal));
  }

  void descend(std::int64_t kv_head, std::int64_t head,
               std::vector<std::vector<std::int32_t>>& united, OracleQuery& result) {
    std::vector<std::int32_t> candidates = gists(layout_.levels - 1);
    result.most_scores += std::ssize(candidates);
    for (int l = layout_.levels - 1; l >= 0; --l) {
      const std::vector<std::int32_t> all = gists(l);
      std::vector<double> scores;
      for (const std::int32_t gist : candidates) {
        const auto index = std::find(all.begin(), all.end(), gist) - all.begin();
        scores.push_back(score(kv_head, head, l, gist, static_cast<std::int32_t>(index)));
      }
      result.scores += std::ssize(scores);
      const std::int64_t k = budget(scores, std::ssize(all));
      std::vector<std::int32_t> picked;
      std::vector<bool> taken(candidates.size(), false);
      for (std::int64_t n = 0; n < k && n < std::ssize(candidates); ++n) {
        std::size_t best = candidates.size();
        for (std::size_t j = 0; j < candidates.size(); ++j) {  // ties: the lower index
          if (!taken[j] && (best == candidates.size() || scores[j] > scores[best])) best = j;
        }
        taken[best] = true;
        picked.push_back(candidates[best]);
      }
      auto& own = united[static_cast<std::size_t>(l)];
      own.insert(own.end(), picked.begin(), picked.end());
      if (l == 0) break;
      candidates.clear();
      std::int64_t children = 0;  // most of any gist
      for (const std::int32_t gist : all) {
        std::int64_t covered = 0;
        for (const std::int32_t below : gists(l - 1)) {
          if (!covers(l, gist, below)) continue;
          ++covered;
          if (std::find(picked.begin(), picked.end(), gist) != picked.end()) {
            candidates.push_back(below);
          }
        }
        children = std::max(children, covered);
      }
      result.most_scores += k * children;
    }
  }

  const std::vector<double>& qkv_;
  const AttentionShape& shape_;
  const Layout& layout_;
  const GistConfig& gist_;
  const SelectionConfig& config_;
  std::int64_t row_ = 0;
  DocumentSpan document_{};
  std::int32_t q_ = 0;
  std::int32_t behind_ = 0;
};

}  // namespace

std::vector<OracleQuery> selection_oracle(const std::vector<double>& qkv,
                                          const AttentionShape& shape, const Layout& layout,
                                          const GistConfig& gist,
                                          const std::vector<std::int32_t>& select_from,
                                          const SelectionConfig& config) {
  Oracle oracle(qkv, shape, layout, gist, config);
  std::vector<OracleQuery> queries;
  std::size_t index = 0;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const VisibilityCounts counts = count_row(layout, row, gist);
    const auto level = [&](std::int32_t t) {
      return layout.level[static_cast<std::size_t>(row * layout.length + t)];
    };
    for (const DocumentSpan& document : document_spans(layout, row)) {
      std::int32_t from = select_from.empty() ? -1 : select_from[index];
      ++index;
      const bool suffix = from < 0;
      // In a prompt with links these and the suffix select, and no other token.
      const auto selects = [&](std::int32_t t) {
        if (!document.linked) return true;
        const Part part = layout.part[static_cast<std::size_t>(row * layout.length + t)];
        return part == Part::link || part == Part::suffix;
      };
      for (std::int32_t t = document.begin; suffix && t < document.end; ++t) {
        if (level(t) == layout.levels - 1) from = t + 1;
      }
      if (from < 0) continue;  // no top-level gist: no suffix
      if (document.linked) from = document.begin;
      bool top_before = false;
      for (std::int32_t t = document.begin; t < document.end; ++t) {
        if (t >= from && level(t) < 0 && top_before && selects(t)) {
          queries.push_back(oracle.run(row, document, t, counts));
        }
        if (level(t) == layout.levels - 1) top_before = true;
      }
    }
  }
  return queries;
}

}  // namespace unfold::gsa
