#include "gsa/policies/full_weights.h"

#include <algorithm>
#include <cmath>

namespace unfold::gsa {

void add_full_weights(const PolicyQuery& query, const AttentionShape& shape,
                      std::span<double> sums) {
  const auto count = static_cast<std::int32_t>(query.position + 1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(shape.width));
  std::vector<double> scores(static_cast<std::size_t>(count));
  for (std::int64_t h = 0; h < shape.group(); ++h) {
    query.keys.score({0, 0, count}, query.head(h, shape.width), scores.data());
    const double largest = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (double& score : scores) total += score = std::exp((score - largest) * scale);
    for (std::size_t i = 0; i < scores.size(); ++i) sums[i] += scores[i] / total;
  }
}

}  // namespace unfold::gsa
