#include "eval/metrics/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace unfold::eval {
namespace {

constexpr double kNormal95 = 1.959963984540054;  // 97.5% quantile of the standard normal
constexpr std::size_t kResamples = 1000;
constexpr std::size_t kTail = 25;  // resamples left out at each end: 2.5%
// Part of the key of the random numbers: what else is drawn from the same seed differs.
constexpr std::uint64_t kStream = 0x626f6f74;

}  // namespace

Interval wilson_interval(std::int64_t successes, std::int64_t n) {
  core::check(n > 0 && successes >= 0 && successes <= n, "interval", "{} successes of {}",
              successes, n);
  const auto count = static_cast<double>(n);
  const double share = static_cast<double>(successes) / count;
  const double z2 = kNormal95 * kNormal95;
  const double centre = (share + z2 / (2 * count)) / (1 + z2 / count);
  const double half = kNormal95 / (1 + z2 / count) *
                      std::sqrt(share * (1 - share) / count + z2 / (4 * count * count));
  // The ends are exact there; rounding must not leave the share outside its own interval.
  return {successes == 0 ? 0.0 : centre - half, successes == n ? 1.0 : centre + half};
}

Interval bootstrap_ratio_interval(std::span<const double> numerators,
                                  std::span<const double> denominators, std::uint64_t seed) {
  core::check(numerators.size() == denominators.size() &&
                  numerators.size() <= std::numeric_limits<std::uint32_t>::max(),
              "interval", "{} numerators, {} denominators", numerators.size(), denominators.size());
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const auto rows = static_cast<std::uint32_t>(numerators.size());
  if (rows < 2) return {kUnknown, kUnknown};
  core::Random random(seed, kStream);
  std::vector<double> ratios(kResamples);
  for (double& ratio : ratios) {
    double above = 0;
    double below = 0;
    for (std::uint32_t i = 0; i < rows; ++i) {
      const std::uint32_t row = random.below(rows);
      above += numerators[row];
      below += denominators[row];
    }
    ratio = above / below;
    if (!std::isfinite(ratio)) return {kUnknown, kUnknown};
  }
  std::sort(ratios.begin(), ratios.end());
  return {ratios[kTail], ratios[kResamples - 1 - kTail]};
}

}  // namespace unfold::eval
