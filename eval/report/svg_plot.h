// Line plots as inline SVG.
//
// The SVG carries structure and class names only; colours and fonts are the page's (page_style.h),
// so that one picture serves light and dark pages. Class names: frame, grid, tick, axis-label,
// line, faint, dash1 .. dash3, dot, end-label, and the colour classes c0, c1, ... (cn: neutral).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/report/curves.h"
#include "eval/report/svg_marker.h"
#include "eval/report/ticks.h"

namespace unfold::eval {

inline constexpr int kNeutralColor = -1;
inline constexpr int kColors = 10;  // colour classes c0 .. c9 of the page
inline constexpr int kDashes = 4;   // line styles: solid, dash1 .. dash3

// "c3", "cn"; colours beyond the last start anew.
std::string color_class(int color);

struct PlotSeries {
  std::string name;
  Curve curve;
  int color = kNeutralColor;
  bool faint = false;     // background, e.g. the raw values behind a smoothed curve
  bool markers = false;   // a marker a point, with the values as tooltip
  bool end_label = true;  // the last value beside the end of the line
  Marker shape = Marker::circle;
  int dash = 0;  // line style; those beyond the last start anew
  // What tooltips say, one a point; empty: the values.
  std::vector<std::string> notes = {};
};

struct PlotAxis {
  std::string label;
  Scale scale = Scale::linear;
  std::optional<double> low = std::nullopt;   // the axis reaches at least this far down
  bool whole = false;                         // ticks at whole numbers only
  std::optional<double> high = std::nullopt;  // the axis reaches at least this far up
  std::vector<double> ticks = {};             // where they are; empty: chosen
  bool percent = false;                       // values are fractions of 1, shown times 100
  double margin = 0;  // of an x axis, beside the points: a share of its length
};

struct LinePlot {
  std::string description;  // for screen readers
  PlotAxis x;
  PlotAxis y;
  std::vector<PlotSeries> series;
  double width = 520;  // of the view box; the picture fills its container
  double height = 280;
};

// A plot without a drawable point says "no data". Points that are not finite (or not positive on a
// log axis) are gaps.
std::string render_svg(const LinePlot& plot);

}  // namespace unfold::eval
