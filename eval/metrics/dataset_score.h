// The score of a data set from those of its samples, rounded as the official LongBench scorer
// rounds: the same digits, not only the same value.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace unfold::eval {

// 100 * mean, rounded to two places as Python rounds a float. Throws core::UserError without
// scores.
double dataset_score(std::span<const double> scores);

// The lengths that LongBench-E tells apart.
inline constexpr std::array<std::string_view, 3> kLengthBuckets = {"0-4k", "4-8k", "8k+"};

// Which of them a context of so many words belongs to.
std::size_t length_bucket(std::int64_t length);

// The same for the samples of each bucket, rounded as numpy rounds; NaN for one without samples.
// scores and lengths have one entry a sample.
std::array<double, 3> bucket_scores(std::span<const double> scores,
                                    std::span<const std::int64_t> lengths);

}  // namespace unfold::eval
