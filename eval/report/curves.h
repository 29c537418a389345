// Long curves made drawable: fewer points without losing spikes, and a smooth trend.
#pragma once

#include <cstddef>
#include <vector>

namespace unfold::eval {

// Points (x[i], y[i]), x ascending. y may be NaN: the curve has a gap there.
struct Curve {
  std::vector<double> x;
  std::vector<double> y;
  std::size_t size() const { return x.size(); }
};

// At most about `limit` points: first and last, and the lowest and highest of every stretch, so
// that a spike of a single step stays visible. Gaps stay gaps. Short curves come back unchanged.
Curve downsample(const Curve& curve, std::size_t limit);

// How many points the trend of a curve of n points averages to either side of a point; 0: the curve
// is too short for a trend.
std::size_t trend_half_window(std::size_t n);

// Moving mean over `half` points to either side, fewer at the ends; the first points, where a curve
// is steep, look back no further than ahead. Values that are not finite are left out.
Curve smooth(const Curve& curve, std::size_t half);

}  // namespace unfold::eval
