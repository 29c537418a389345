#include "gsa/policies/descent.h"

#include <cmath>

namespace unfold::gsa {

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
