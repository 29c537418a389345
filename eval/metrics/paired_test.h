// Whether two methods differ, judged by their scores of the same samples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace unfold::eval {

// Two-sided paired permutation test (Fisher 1935; Noreen 1989, "approximate randomization"): were
// the methods alike, each difference a_i - b_i could as well have had the other sign. Returns the
// share of sign choices whose sum is at least as far from zero as the sum seen.
//
// All choices are tried while they are few (at most 13 differences that are not zero), so that the
// p value is exact; else 10,000 drawn from `seed`, the observed one counted among them, so that it
// is never 0. A function of its arguments alone. Weighted means (say, of several data sets) are
// tested by weighting the differences. NaN without differences, or when one is not finite.
double paired_permutation_p(std::span<const double> differences, std::uint64_t seed);

// Adjusts the p values of a family of tests after Holm (1979): the chance of any false alarm in the
// family stays below the level that the adjusted values are held against. NaN entries stay NaN and
// count for nothing.
std::vector<double> holm_adjusted(std::span<const double> p_values);

}  // namespace unfold::eval
