// How metrics and numbers are written in reports, and which direction is better.
#pragma once

#include <string>
#include <string_view>

namespace unfold::eval {

// loss, bits_per_byte, perplexity and their like; every other metric counts upwards.
bool lower_is_better(std::string_view metric);

// "bits_per_byte" -> "bits per byte", "rouge_l" -> "Rouge-L".
std::string metric_label(std::string_view metric);

// A value of the metric: percent for fractions ("96.5%"), four significant digits else ("2.134").
// "-" when it is not finite.
std::string format_metric(std::string_view metric, double value);

// Whether format_metric() writes the value as a percentage.
bool shown_as_percent(std::string_view metric, double value);

// As format_metric(), without the percent sign: for columns that say so above ("96.5", "2.134").
std::string format_score(std::string_view metric, double value);

// "[1.912, 2.004]", "[91.2%, 98.0%]"; empty when an end is not finite.
std::string format_interval(std::string_view metric, double low, double high);

// Four significant digits, short forms for very large and very small numbers; "-" when not finite.
std::string format_number(double value);

// Keys a query reads: one decimal below 1000; "-" when not known (0 or not finite).
std::string format_keys(double keys);

// "8x", "1x", "12.5x".
std::string format_ratio(double ratio);

}  // namespace unfold::eval
