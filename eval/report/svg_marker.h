// Shapes that tell series apart without colour.
#pragma once

#include <string>
#include <string_view>

namespace unfold::eval {

enum class Marker { circle, square, triangle, diamond, triangle_down, cross, plus, hexagon, bar };
inline constexpr int kMarkers = 9;

// An SVG element of the shape about (x, y), of class "dot CLASS". `content` is markup inside it (a
// tooltip).
std::string marker_svg(Marker marker, double x, double y, double radius, std::string_view classes,
                       std::string_view content = {});

}  // namespace unfold::eval
