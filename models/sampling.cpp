#include "models/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/error.h"

namespace unfold::models {

std::int32_t sample(std::span<const float> logits, const SamplingOptions& options,
                    core::Random& random) {
  core::check(!logits.empty(), "sampling", "no logits");
  if (options.temperature <= 0) {
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                     logits.begin());
  }
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    const float left = logits[static_cast<std::size_t>(a)];
    const float right = logits[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  };
  if (options.top_k > 0 && options.top_k < static_cast<std::int64_t>(order.size())) {
    std::nth_element(order.begin(), order.begin() + options.top_k, order.end(), likelier);
    order.resize(static_cast<std::size_t>(options.top_k));
  }
  std::sort(order.begin(), order.end(), likelier);
  const double largest = logits[static_cast<std::size_t>(order[0])];
  std::vector<double> weights;
  for (const std::int32_t id : order) {
    weights.push_back(
        std::exp((logits[static_cast<std::size_t>(id)] - largest) / options.temperature));
  }
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  double kept = 0;
  std::size_t count = 0;
  while (count < weights.size() && (count == 0 || kept < options.top_p * all)) {
    kept += weights[count++];
  }
  double rest = random.uniform() * kept;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    rest -= weights[i];
    if (rest < 0) return order[i];
  }
  return order[count - 1];
}

}  // namespace unfold::models
