// The pieces plots are made of: ticks, curves, the SVG itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "eval/report/curves.h"
#include "eval/report/svg_plot.h"
#include "eval/report/ticks.h"

namespace unfold::eval {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
using Texts = std::vector<std::string>;

Texts labels(const Range& range, Scale scale, int wanted) {
  return tick_labels(make_ticks(range, scale, wanted), scale);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(Ticks, LinearTicksAreRound) {
  EXPECT_EQ(labels({0, 300}, Scale::linear, 6),
            (Texts{"0", "50", "100", "150", "200", "250", "300"}));
  EXPECT_EQ(labels({1.79, 3.42}, Scale::linear, 5), (Texts{"2.0", "2.5", "3.0"}));
  EXPECT_EQ(labels({-0.1, 0.1}, Scale::linear, 4), (Texts{"-0.10", "-0.05", "0", "0.05", "0.10"}));
  EXPECT_EQ(labels({0, 10'000}, Scale::linear, 5), (Texts{"0", "2k", "4k", "6k", "8k", "10k"}));
  EXPECT_EQ(labels({0, 3e6}, Scale::linear, 3), (Texts{"0", "1M", "2M", "3M"}));
  EXPECT_EQ(labels({0, 1e-3}, Scale::linear, 5),
            (Texts{"0", "2e-4", "4e-4", "6e-4", "8e-4", "1e-3"}));
}

TEST(Ticks, LogTicksAreDecades) {
  EXPECT_EQ(labels({1, 10'000}, Scale::log, 5), (Texts{"1", "10", "100", "1000", "10k"}));
  EXPECT_EQ(labels({0.9, 60}, Scale::log, 5), (Texts{"1", "2", "5", "10", "20", "50"}));
  EXPECT_EQ(labels({1e-6, 1e-2}, Scale::log, 5), (Texts{"1e-6", "1e-5", "1e-4", "1e-3", "0.01"}));
}

TEST(Ticks, AnyRangeGivesAFewTicksInsideIt) {
  for (const Range range : {Range{0, 1e-300}, Range{-1e300, 1e300}, Range{1e15, 1e15 + 1},
                            Range{1 - 1e-9, 1 + 1e-9}, Range{-7, -6.99}}) {
    const auto ticks = make_ticks(range, Scale::linear, 5);
    EXPECT_LE(ticks.size(), 12u) << range.low << ' ' << range.high;
    for (const double tick : ticks) EXPECT_TRUE(std::isfinite(tick));
    EXPECT_EQ(tick_labels(ticks, Scale::linear).size(), ticks.size());
  }
  EXPECT_LE(make_ticks({1e-300, 1e300}, Scale::log, 5).size(), 12u);
}

TEST(Ticks, RangeLeavesOutWhatCannotBeDrawn) {
  const Range plain = range_of({kNaN, 2, kInf, 4, -kInf, 1e308}, Scale::linear, 0);
  EXPECT_EQ(plain.low, 2);
  EXPECT_EQ(plain.high, 4);
  const Range log = range_of({-1, 0, 10, 1000}, Scale::log, 0);
  EXPECT_DOUBLE_EQ(log.low, 10);
  EXPECT_DOUBLE_EQ(log.high, 1000);
  for (const std::vector<double>& values : {std::vector<double>{}, {kNaN}, {5}, {0}, {5, 5}}) {
    for (const Scale scale : {Scale::linear, Scale::log}) {
      const Range range = range_of(values, scale, 0.05);
      EXPECT_LT(range.low, range.high);
    }
  }
}

TEST(Curves, DownsamplingKeepsEndsSpikesAndGaps) {
  Curve curve;
  for (int i = 0; i < 10'000; ++i) {
    curve.x.push_back(i);
    curve.y.push_back(std::sin(i * 0.01));
  }
  curve.y[5'003] = 50;
  curve.y[7'001] = -60;
  curve.y[2'500] = kNaN;
  const Curve small = downsample(curve, 800);
  EXPECT_LE(small.size(), 810u);
  EXPECT_EQ(small.x.front(), 0);
  EXPECT_EQ(small.x.back(), 9'999);
  EXPECT_TRUE(std::is_sorted(small.x.begin(), small.x.end()));
  EXPECT_EQ(std::count(small.y.begin(), small.y.end(), 50), 1);
  EXPECT_EQ(std::count(small.y.begin(), small.y.end(), -60), 1);
  EXPECT_EQ(std::count_if(small.y.begin(), small.y.end(), [](double y) { return std::isnan(y); }),
            1);
}

TEST(Curves, ShortCurvesComeBackUnchanged) {
  for (const std::size_t n : {0u, 1u, 2u, 5u}) {
    Curve curve;
    curve.x.resize(n);
    std::iota(curve.x.begin(), curve.x.end(), 0.0);
    curve.y = curve.x;
    EXPECT_EQ(downsample(curve, 5).y, curve.y);
  }
  EXPECT_LE(downsample({{0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}}, 0).size(), 5u);
}

TEST(Curves, SmoothingIsAMovingMean) {
  const Curve curve = {{0, 1, 2, 3, 4}, {1, 2, kNaN, 4, 9}};
  // windows: {1}, {1, 2, -}, {2, -, 4}, {-, 4, 9}, {4, 9}
  EXPECT_EQ(smooth(curve, 1).y, (std::vector<double>{1, 1.5, 3, 6.5, 6.5}));
  EXPECT_EQ(smooth({{0, 1}, {3, 5}}, 0).y, (std::vector<double>{3, 5}));
  EXPECT_TRUE(std::isnan(smooth({{0}, {kNaN}}, 3).y[0]));
}

LinePlot plot_of(const std::vector<double>& y, Scale scale = Scale::linear) {
  Curve curve;
  curve.y = y;
  curve.x.resize(y.size());
  std::iota(curve.x.begin(), curve.x.end(), 1.0);
  LinePlot plot;
  plot.x.label = "step";
  plot.y.scale = scale;
  plot.series.push_back({.name = "loss", .curve = curve});
  return plot;
}

TEST(SvgPlot, DrawsALineWithLabelAndAxes) {
  LinePlot plot = plot_of({3, 2, 1.5});
  plot.series[0].color = 1;
  plot.series[0].markers = true;
  const std::string svg = render_svg(plot);
  EXPECT_EQ(count(svg, "<path class=\"line c1\""), 1u);
  EXPECT_EQ(count(svg, "<circle"), 3u);
  EXPECT_NE(svg.find("loss: 3.000 at step 1"), std::string::npos) << "tooltip";
  EXPECT_EQ(count(svg, "class=\"end-label c1\""), 1u);
  EXPECT_NE(svg.find(">1.500</text>"), std::string::npos);
  EXPECT_NE(svg.find(">step</text>"), std::string::npos);
}

TEST(SvgPlot, GapsSplitTheLineAndLonePointsGetADot) {
  const std::string svg = render_svg(plot_of({1, 2, kNaN, 3, kInf, 2, 1}));
  const std::size_t path = svg.find("d=\"");
  const std::string d = svg.substr(path, svg.find('"', path + 3) - path);
  EXPECT_EQ(count(d, "M"), 3u);
  EXPECT_EQ(count(svg, "<circle"), 1u);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(SvgPlot, LogAxisLeavesOutWhatHasNoLogarithm) {
  const std::string svg = render_svg(plot_of({0, 1, 100, -5, 10'000}, Scale::log));
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_NE(svg.find(">100</text>"), std::string::npos) << "a decade tick";
}

TEST(SvgPlot, SaysSoWhenThereIsNothingToDraw) {
  EXPECT_NE(render_svg(LinePlot()).find("no data"), std::string::npos);
  EXPECT_NE(render_svg(plot_of({})).find("no data"), std::string::npos);
  EXPECT_NE(render_svg(plot_of({kNaN, kInf})).find("no data"), std::string::npos);
  EXPECT_NE(render_svg(plot_of({-1, 0}, Scale::log)).find("no data"), std::string::npos);
}

TEST(SvgPlot, EscapesNames) {
  LinePlot plot = plot_of({1, 2});
  plot.description = "\"><script>";
  plot.series[0].name = "<b>";
  plot.series[0].markers = true;
  plot.x.label = "a & b";
  const std::string svg = render_svg(plot);
  EXPECT_EQ(svg.find("<script>"), std::string::npos);
  EXPECT_EQ(svg.find("<b>"), std::string::npos);
  EXPECT_NE(svg.find("a &amp; b"), std::string::npos);
}

TEST(SvgPlot, EndLabelsDoNotOverlap) {
  LinePlot plot;
  for (int i = 0; i < 4; ++i)
    plot.series.push_back({.name = "s", .curve = {{0, 1}, {5, 1 + 1e-3 * i}}});
  const std::string svg = render_svg(plot);
  std::vector<double> heights;
  for (std::size_t at = svg.find("end-label"); at != std::string::npos;
       at = svg.find("end-label", at + 1)) {
    heights.push_back(std::stod(svg.substr(svg.find("y=\"", at) + 3)));
  }
  ASSERT_EQ(heights.size(), 4u);
  std::sort(heights.begin(), heights.end());
  for (std::size_t i = 1; i < heights.size(); ++i) EXPECT_GE(heights[i] - heights[i - 1], 14.9);
  EXPECT_LE(heights.back(), plot.height);
}

}  // namespace
}  // namespace unfold::eval
