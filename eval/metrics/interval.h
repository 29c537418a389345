// 95% intervals of what an evaluation measures.
#pragma once

#include <cstdint>
#include <span>

namespace unfold::eval {

struct Interval {
  double low = 0;
  double high = 0;
};

// Of a share of successes: Wilson's score interval (Wilson 1927), which stays inside [0, 1] and is
// of use even when all or none succeed. 0 <= successes <= n, n > 0.
Interval wilson_interval(std::int64_t successes, std::int64_t n);

// Of sum(numerators) / sum(denominators) over rows, e.g. nats and targets: percentile bootstrap
// with 1000 resamples of whole rows, since tokens of one row are not independent. A function of its
// arguments alone: the same seed draws the same rows, so that methods are compared on equal
// resamples. NaN when it cannot be told: fewer than two rows, a ratio that is not finite.
Interval bootstrap_ratio_interval(std::span<const double> numerators,
                                  std::span<const double> denominators, std::uint64_t seed);

}  // namespace unfold::eval
