#include "eval/report/svg_marker.h"

#include <fmt/core.h>

#include <cmath>
#include <iterator>

namespace unfold::eval {
namespace {

// A closed path through `corners` points of a circle, the first at `turn` (in full turns) from the
// top.
std::string polygon(int corners, double turn, double x, double y, double radius) {
  constexpr double kFullTurn = 6.283185307179586;
  std::string path;
  for (int i = 0; i < corners; ++i) {
    const double angle = (turn + static_cast<double>(i) / corners) * kFullTurn;
    fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", i == 0 ? 'M' : 'L',
                   x + radius * std::sin(angle), y - radius * std::cos(angle));
  }
  return path + "Z";
}

std::string path_of(Marker marker, double x, double y, double r) {
  switch (marker) {
    case Marker::square:
      return polygon(4, 0.125, x, y, r * 1.25);
    case Marker::triangle:
      return polygon(3, 0, x, y + r * 0.15, r * 1.35);
    case Marker::triangle_down:
      return polygon(3, 0.5, x, y - r * 0.15, r * 1.35);
    case Marker::diamond:
      return polygon(4, 0, x, y, r * 1.3);
    case Marker::hexagon:
      return polygon(6, 0, x, y, r * 1.15);
    case Marker::cross:
      return fmt::format("M{0:.1f} {1:.1f}L{2:.1f} {3:.1f}M{0:.1f} {3:.1f}L{2:.1f} {1:.1f}", x - r,
                         y - r, x + r, y + r);
    case Marker::plus:
      return fmt::format("M{:.1f} {:.1f}h{:.1f}M{:.1f} {:.1f}v{:.1f}", x - r * 1.2, y, r * 2.4, x,
                         y - r * 1.2, r * 2.4);
    case Marker::bar:
      return fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h{:.1f}Z", x - r * 1.3, y - r * 0.6, r * 2.6,
                         r * 1.2, -r * 2.6);
    case Marker::circle:
      break;
  }
  return "";
}

}  // namespace

std::string marker_svg(Marker marker, double x, double y, double radius, std::string_view classes,
                       std::string_view content) {
  if (marker == Marker::circle) {
    return fmt::format(R"(<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{:g}">{}</circle>)",
                       classes, x, y, radius, content);
  }
  return fmt::format(R"(<path class="dot {}" d="{}">{}</path>)", classes,
                     path_of(marker, x, y, radius), content);
}

}  // namespace unfold::eval
