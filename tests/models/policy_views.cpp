#include "tests/models/policy_views.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "gsa/visibility.h"

namespace unfold::models {
namespace {

using gsa::PolicyKind;

class Views {
 public:
  explicit Views(const PolicyView& view)
      : view_(view), counts_(gsa::count_row(view.layout, 0, view.gist)) {}

  std::vector<bool> seen(const NaiveQuery& query) const {
    switch (view_.config.kind) {
      case PolicyKind::full:
        return causal(query.position);
      case PolicyKind::gist_only:
        return section5(query.position);
      case PolicyKind::gsa:
      case PolicyKind::h_gsa:
      case PolicyKind::mean_pool:
        return selecting(query);
      case PolicyKind::streaming:
        return query.layer < view_.config.first_layer ? causal(query.position)
                                                      : window(query.position);
      case PolicyKind::snapkv:
        return snapkv(query);
      case PolicyKind::h2o:
        return h2o(query);
      case PolicyKind::quest:
        return quest(query);
      case PolicyKind::random:
        break;
    }
    return {};
  }

 private:
  int level(std::int64_t t) const { return view_.layout.level[static_cast<std::size_t>(t)]; }

  std::vector<bool> causal(std::int64_t q) const {
    return std::vector<bool>(static_cast<std::size_t>(q) + 1, true);
  }

  std::vector<bool> section5(std::int64_t q) const {
    std::vector<bool> seen;
    for (std::int64_t k = 0; k <= q; ++k) {
      seen.push_back(gsa::visible(counts_, q, k, view_.gist, gsa::Visibility::gist));
    }
    return seen;
  }

  double dot(const NaiveQuery& query, std::int64_t q, std::int64_t head, std::int64_t k) const {
    double sum = 0;
    for (std::int64_t d = 0; d < view_.shape.width; ++d) {
      sum += query.qkv[static_cast<std::size_t>(q)]
                      [static_cast<std::size_t>(head * view_.shape.width + d)] *
             key(query, k, d);
    }
    return sum;
  }
  double key(const NaiveQuery& query, std::int64_t k, std::int64_t d) const {
    return query.qkv[static_cast<std::size_t>(k)][static_cast<std::size_t>(
        (view_.shape.heads + query.kv_head) * view_.shape.width + d)];
  }
  std::vector<std::int64_t> heads(const NaiveQuery& query) const {
    std::vector<std::int64_t> all;
    for (std::int64_t h = 0; h < view_.shape.group(); ++h) {
      all.push_back(query.kv_head * view_.shape.group() + h);
    }
    return all;
  }

  // Attention of query q over the keys, one weight a key, summed over the group's heads.
  std::vector<double> weights(const NaiveQuery& query, std::int64_t q,
                              const std::vector<std::int64_t>& keys) const {
    std::vector<double> sums(keys.size(), 0.0);
    for (const std::int64_t head : heads(query)) {
      std::vector<double> row;
      double total = 0;
      for (const std::int64_t k : keys) {
        row.push_back(
            std::exp(dot(query, q, head, k) / std::sqrt(static_cast<double>(view_.shape.width))));
        total += row.back();
      }
      for (std::size_t i = 0; i < row.size(); ++i) sums[i] += row[i] / total;
    }
    return sums;
  }

  // METHOD.md section 7.
  std::vector<bool> selecting(const NaiveQuery& query) const {
    const std::int64_t q = query.position;
    const int top = view_.layout.levels - 1;
    std::int64_t behind = 0;  // first position behind the last top-level gist before the query
    for (std::int64_t t = 0; t < q; ++t) {
      if (level(t) == top) behind = t + 1;
    }
    if (query.layer == 0 || q < view_.context || level(q) >= 0 || behind == 0) return section5(q);
    std::vector<bool> seen = section5(q);
    for (std::int64_t k = 0; k <= q; ++k) {
      const auto at = static_cast<std::size_t>(k);
      seen[at] = (seen[at] && level(k) < 0) || k >= behind;
    }
    for (const std::int64_t head : heads(query)) {
      const int start = view_.config.kind == PolicyKind::h_gsa ? top : 0;
      std::vector<std::int64_t> candidates;
      for (std::int64_t t = 0; t < behind; ++t) {
        if (level(t) == start) candidates.push_back(t);
      }
      for (int l = start; l >= 0; --l) {
        std::int64_t gists = 0;
        for (std::int64_t t = 0; t < behind; ++t) gists += level(t) == l ? 1 : 0;
        gsa::SelectionConfig config = view_.config.selection;
        config.chunk = view_.gist.chunks[0];
        config.rho = view_.gist.ratio();
        const std::int64_t count = gsa::pick_count(config, q + 1, view_.shape.group(), gists);
        std::vector<double> scores;
        for (const std::int64_t gist : candidates) scores.push_back(score(query, head, gist));
        std::vector<std::int64_t> next;
        for (const std::int32_t at : gsa::top_indices(scores, count)) {
          const std::int64_t gist = candidates[static_cast<std::size_t>(at)];
          seen[static_cast<std::size_t>(gist)] = true;
          for (std::int64_t t = gist; t-- > 0 && level(t) < l;) {  // what it covers
            if (l == 0) seen[static_cast<std::size_t>(t)] = true;
            if (l > 0 && level(t) == l - 1) next.push_back(t);
          }
        }
        std::sort(next.begin(), next.end());
        candidates = next;
      }
    }
    return seen;
  }

  double score(const NaiveQuery& query, std::int64_t head, std::int64_t gist) const {
    if (view_.config.kind != PolicyKind::mean_pool) return dot(query, query.position, head, gist);
    double sum = 0;
    std::int64_t count = 0;
    for (std::int64_t t = gist; t-- > 0 && level(t) < 0; ++count) {
      sum += dot(query, query.position, head, t);
    }
    return sum / static_cast<double>(count);
  }

  // Keys of the context that the budget allows: S + P c + n_rep k (c + 1).
  std::int64_t context_keys() const {
    const std::int64_t c = view_.gist.chunks[0];
    const std::int64_t chunks = (view_.context + c - 1) / c;
    gsa::SelectionConfig config = view_.config.selection;
    config.chunk = c;
    config.rho = view_.gist.ratio();
    const std::int64_t n_rep = view_.shape.group();
    const std::int64_t k = gsa::pick_count(config, view_.prompt + chunks, n_rep, chunks);
    return std::min(view_.context,
                    view_.gist.sinks + view_.gist.previous_chunks * c + n_rep * k * (c + 1));
  }
  std::int64_t cache_keys() const { return context_keys() + view_.prompt - view_.context; }

  std::vector<bool> window(std::int64_t q) const {
    std::vector<bool> seen;
    for (std::int64_t k = 0; k <= q; ++k) {
      seen.push_back(k < view_.gist.sinks || q - k < cache_keys() - view_.gist.sinks);
    }
    return seen;
  }

  std::vector<std::int64_t> up_to(std::int64_t q) const {
    std::vector<std::int64_t> keys;
    for (std::int64_t k = 0; k <= q; ++k) keys.push_back(k);
    return keys;
  }

  std::vector<bool> snapkv(const NaiveQuery& query) const {
    const std::int64_t q = query.position;
    if (q < view_.prompt || cache_keys() >= view_.prompt) return causal(q);
    const std::int64_t window = std::min(view_.config.observation_window, cache_keys());
    const std::int64_t before = view_.prompt - window;
    std::vector<double> votes(static_cast<std::size_t>(view_.prompt), 0.0);
    for (std::int64_t w = before; w < view_.prompt; ++w) {
      const std::vector<double> row = weights(query, w, up_to(w));
      for (std::size_t i = 0; i < row.size(); ++i) votes[i] += row[i];
    }
    std::vector<double> pooled;
    for (std::int64_t i = 0; i < before; ++i) {
      double best = 0;
      for (std::int64_t j = 0; j < before; ++j) {
        if (std::abs(i - j) <= view_.config.pooling / 2) {
          best = std::max(best, votes[static_cast<std::size_t>(j)]);
        }
      }
      pooled.push_back(best);
    }
    std::vector<bool> seen(static_cast<std::size_t>(q) + 1, true);
    for (std::int64_t k = 0; k < before; ++k) seen[static_cast<std::size_t>(k)] = false;
    for (const std::int32_t k : gsa::top_indices(pooled, cache_keys() - window)) {
      seen[static_cast<std::size_t>(k)] = true;
    }
    return seen;
  }

  std::vector<bool> h2o(const NaiveQuery& query) const {
    if (query.position < view_.prompt) return causal(query.position);
    std::vector<double> got(static_cast<std::size_t>(query.position) + 1, 0.0);
    const auto add = [&](std::int64_t q, const std::vector<std::int64_t>& keys) {
      const std::vector<double> row = weights(query, q, keys);
      for (std::size_t i = 0; i < row.size(); ++i) got[static_cast<std::size_t>(keys[i])] += row[i];
    };
    for (std::int64_t q = 0; q < view_.prompt; ++q) add(q, up_to(q));
    std::vector<std::int64_t> kept = up_to(view_.prompt - 1);
    const std::int64_t recent = cache_keys() / 2;
    for (std::int64_t q = view_.prompt;; ++q) {
      kept.push_back(q);
      while (static_cast<std::int64_t>(kept.size()) > cache_keys()) {
        const auto lightest = std::min_element(
            kept.begin(), kept.end() - recent, [&](std::int64_t a, std::int64_t b) {
              return got[static_cast<std::size_t>(a)] < got[static_cast<std::size_t>(b)];
            });
        kept.erase(lightest);
      }
      if (q == query.position) break;
      add(q, kept);
    }
    std::vector<bool> seen(static_cast<std::size_t>(query.position) + 1, false);
    for (const std::int64_t k : kept) seen[static_cast<std::size_t>(k)] = true;
    return seen;
  }

  std::vector<bool> quest(const NaiveQuery& query) const {
    const std::int64_t q = query.position;
    const std::int64_t first_layer = view_.config.first_layer < 0 ? 2 : view_.config.first_layer;
    if (q < view_.context || query.layer < first_layer) return causal(q);
    const std::int64_t c = view_.gist.chunks[0];
    std::vector<double> bounds;
    for (std::int64_t begin = 0; begin < view_.context; begin += c) {
      double sum = 0;
      for (const std::int64_t head : heads(query)) {
        for (std::int64_t d = 0; d < view_.shape.width; ++d) {
          const double x = query.qkv[static_cast<std::size_t>(q)]
                                    [static_cast<std::size_t>(head * view_.shape.width + d)];
          double bound = x * key(query, begin, d);
          for (std::int64_t k = begin; k < std::min(begin + c, view_.context); ++k) {
            bound = std::max(bound, x * key(query, k, d));
          }
          sum += bound;
        }
      }
      bounds.push_back(sum);
    }
    std::vector<bool> seen(static_cast<std::size_t>(q) + 1, true);
    for (std::int64_t k = 0; k < view_.context; ++k) seen[static_cast<std::size_t>(k)] = false;
    const std::int64_t pages = std::max<std::int64_t>(1, context_keys() / c);
    for (const std::int32_t page : gsa::top_indices(bounds, pages)) {
      for (std::int64_t k = page * c; k < std::min((page + 1) * c, view_.context); ++k) {
        seen[static_cast<std::size_t>(k)] = true;
      }
    }
    return seen;
  }

  PolicyView view_;
  gsa::VisibilityCounts counts_;
};

}  // namespace

NaiveView naive_view(const PolicyView& view) {
  return [views = Views(view)](const NaiveQuery& query) { return views.seen(query); };
}

}  // namespace unfold::models
