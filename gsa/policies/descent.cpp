#include "gsa/policies/descent.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace unfold::gsa {

std::int64_t count_for_mass(std::vector<double> scores, double scale, double top_p) {
  if (scores.empty()) return 0;
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

std::vector<std::int32_t> pick(const DescentInput& input, std::span<const double> scores,
                               std::int64_t gists) {
  std::int64_t mass = gists;
  if (input.config.budget == Budget::top_p) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(input.width));
    mass = count_for_mass({scores.begin(), scores.end()}, scale, input.config.top_p);
  }
  return top_indices(scores, pick_count(input.config, input.entries, input.n_rep, gists, mass));
}

}  // namespace unfold::gsa
