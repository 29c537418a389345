// Where an axis has its ticks, and how their numbers are written.
#pragma once

#include <string>
#include <vector>

namespace unfold::eval {

enum class Scale { linear, log };

// A finite interval of an axis, low < high; on a log scale 0 < low.
struct Range {
  double low = 0;
  double high = 1;
};

// The range of the finite values (on a log scale: of the positive ones), widened by `margin` of its
// length on both sides. Without such values, or with one only, a range around it of a sensible
// size.
Range range_of(const std::vector<double>& values, Scale scale, double margin);

// Round positions inside the range: 1, 2 or 5 times a power of ten on a linear scale, about
// `wanted` of them; powers of ten on a log scale, with 2 and 5 between them where they are few.
std::vector<double> make_ticks(const Range& range, Scale scale, int wanted);

// One short text a tick, with the same decimals on a linear axis: "0.5", "1.5k", "2e-4".
std::vector<std::string> tick_labels(const std::vector<double>& ticks, Scale scale);

}  // namespace unfold::eval
