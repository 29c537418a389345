#include "eval/metrics/paired_test.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "core/random.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kExactLimit = 13;  // 8192 sign choices
constexpr int kResamples = 10'000;
constexpr std::uint64_t kStream = 0x7369676e;  // part of the key of the random numbers
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Sums of eight differences under all 256 choices of their signs: a resample then adds one number
// a byte of random bits.
using SignedSums = std::array<double, 256>;

std::vector<SignedSums> signed_sums(const std::vector<double>& values) {
  std::vector<SignedSums> tables((values.size() + 7) / 8);
  for (std::size_t block = 0; block < tables.size(); ++block) {
    SignedSums& table = tables[block];
    table[0] = 0;
    std::size_t filled = 1;
    const std::size_t end = std::min(values.size(), block * 8 + 8);
    for (std::size_t i = block * 8; i < end; ++i, filled *= 2) {
      for (std::size_t choice = 0; choice < filled; ++choice) {
        table[choice + filled] = table[choice] - values[i];
        table[choice] += values[i];
      }
    }
    // A short last block: its bits that stand for nothing repeat the sums.
    for (std::size_t choice = filled; choice < table.size(); ++choice) {
      table[choice] = table[choice - filled];
    }
  }
  return tables;
}

double exact_p(const std::vector<double>& values, double threshold) {
  const std::vector<SignedSums> tables = signed_sums(values);
  const std::size_t choices = std::size_t{1} << values.size();
  std::size_t as_far = 0;
  for (std::size_t choice = 0; choice < choices; ++choice) {
    double sum = tables[0][choice & 0xff];
    if (tables.size() > 1) sum += tables[1][choice >> 8];
    if (std::abs(sum) >= threshold) ++as_far;
  }
  return static_cast<double>(as_far) / static_cast<double>(choices);
}

double sampled_p(const std::vector<double>& values, double threshold, std::uint64_t seed) {
  const std::vector<SignedSums> tables = signed_sums(values);
  core::Random random(seed, kStream);
  int as_far = 1;  // the observed one
  for (int resample = 0; resample < kResamples; ++resample) {
    double sum = 0;
    std::uint32_t bits = 0;
    for (std::size_t block = 0; block < tables.size(); ++block) {
      bits = block % 4 == 0 ? random.bits() : bits >> 8;
      sum += tables[block][bits & 0xff];
    }
    if (std::abs(sum) >= threshold) ++as_far;
  }
  return static_cast<double>(as_far) / (kResamples + 1);
}

}  // namespace

double paired_permutation_p(std::span<const double> differences, std::uint64_t seed) {
  if (differences.empty()) return kUnknown;
  std::vector<double> values;  // a zero has no sign to choose
  double sum = 0;
  double size = 0;
  for (const double difference : differences) {
    if (!std::isfinite(difference)) return kUnknown;
    if (difference == 0) continue;
    values.push_back(difference);
    sum += difference;
    size += std::abs(difference);
  }
  if (!std::isfinite(size)) return kUnknown;
  if (values.empty()) return 1;
  // Sums that are equal but for rounding count as equally far.
  const double threshold = std::abs(sum) - 1e-12 * size;
  return values.size() <= kExactLimit ? exact_p(values, threshold)
                                      : sampled_p(values, threshold, seed);
}

std::vector<double> holm_adjusted(std::span<const double> p_values) {
  std::vector<double> adjusted(p_values.begin(), p_values.end());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < adjusted.size(); ++i) {
    if (!std::isnan(adjusted[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return adjusted[a] < adjusted[b]; });
  double largest = 0;  // adjusted values keep the order of the raw ones
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    double& p = adjusted[order[rank]];
    largest = std::max(largest, std::min(1.0, p * static_cast<double>(order.size() - rank)));
    p = largest;
  }
  return adjusted;
}

}  // namespace unfold::eval
