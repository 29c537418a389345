#include "eval/report/svg_plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "eval/report/html.h"
#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

constexpr double kLabelHeight = 17;  // between the baselines of stacked labels
constexpr double kMarkerRadius = 3.6;

// Maps values of one axis to positions on the picture.
class Mapping {
 public:
  Mapping(Range range, Scale scale, double from, double to)
      : scale_(scale), low_(transform(range.low)), from_(from) {
    factor_ = (to - from) / (transform(range.high) - low_);
  }
  double operator()(double value) const { return from_ + (transform(value) - low_) * factor_; }

 private:
  double transform(double value) const { return scale_ == Scale::log ? std::log10(value) : value; }
  Scale scale_;
  double low_;
  double from_;
  double factor_ = 1;
};

struct Frame {
  double left, top, right, bottom;
};

struct EndLabel {
  double x, y;
  std::string text;
  int color;
};

bool drawable(double value, Scale scale) {
  return std::isfinite(value) && std::abs(value) <= 1e300 &&
         (scale == Scale::linear || value >= 1e-300);
}

class Renderer {
 public:
  explicit Renderer(const LinePlot& plot) : plot_(plot) {}

  std::string render() {
    write(R"(<svg class="plot" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">)", plot_.width,
          plot_.height, escape_html(plot_.description));
    if (!any_point()) {
      write(R"(<text class="tick" x="{:g}" y="{:g}" text-anchor="middle">no data</text></svg>)",
            plot_.width / 2, plot_.height / 2);
      return out_;
    }
    const Range x_range = range(plot_.x, &Curve::x, plot_.x.margin);
    const Range y_range = range(plot_.y, &Curve::y, 0.05);
    frame_ = {54, plot_.y.label.empty() ? 14.0 : 26.0, plot_.width - (has_end_labels() ? 56 : 16),
              plot_.height - 42};
    const Mapping x(x_range, plot_.x.scale, frame_.left, frame_.right);
    const Mapping y(y_range, plot_.y.scale, frame_.bottom, frame_.top);
    draw_axes(x_range, y_range, x, y);
    for (const PlotSeries& series : plot_.series) draw_series(series, x, y);
    draw_end_labels();
    out_ += "</svg>";
    return out_;
  }

 private:
  template <typename... Args>
  void write(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  bool point_drawable(const Curve& curve, std::size_t i) const {
    return drawable(curve.x[i], plot_.x.scale) && drawable(curve.y[i], plot_.y.scale);
  }

  bool any_point() const {
    for (const PlotSeries& series : plot_.series) {
      for (std::size_t i = 0; i < series.curve.size(); ++i) {
        if (point_drawable(series.curve, i)) return true;
      }
    }
    return false;
  }

  bool has_end_labels() const {
    return std::any_of(plot_.series.begin(), plot_.series.end(),
                       [](const PlotSeries& series) { return series.end_label; });
  }

  Range range(const PlotAxis& axis, std::vector<double> Curve::*values, double margin) const {
    std::vector<double> all;
    for (const PlotSeries& series : plot_.series) {
      for (std::size_t i = 0; i < series.curve.size(); ++i) {
        if (point_drawable(series.curve, i)) all.push_back((series.curve.*values)[i]);
      }
    }
    Range result = range_of(all, axis.scale, margin);
    if (axis.low && *axis.low < result.high) result.low = *axis.low;
    if (axis.high && *axis.high > result.low) result.high = std::max(*axis.high, result.high);
    return result;
  }

  static std::vector<double> ticks_of(const PlotAxis& axis, const Range& range, int wanted) {
    if (axis.ticks.empty()) return make_ticks(range, axis.scale, wanted);
    std::vector<double> ticks = axis.ticks;
    std::erase_if(ticks, [&](double tick) { return tick < range.low || tick > range.high; });
    return ticks;
  }

  static std::vector<std::string> labels_of(const PlotAxis& axis, std::vector<double> ticks) {
    if (axis.percent) {
      for (double& tick : ticks) tick *= 100;
    }
    return tick_labels(ticks, axis.scale);
  }

  void draw_axes(const Range& x_range, const Range& y_range, const Mapping& x, const Mapping& y) {
    const auto y_ticks = ticks_of(plot_.y, y_range, plot_.height > 240 ? 5 : 4);
    const auto y_labels = labels_of(plot_.y, y_ticks);
    for (std::size_t i = 0; i < y_ticks.size(); ++i) {
      const double at = y(y_ticks[i]);
      write(R"(<line class="grid" x1="{:g}" x2="{:g}" y1="{:.1f}" y2="{:.1f}"/>)", frame_.left,
            frame_.right, at, at);
      write(R"(<text class="tick" x="{:g}" y="{:.1f}" text-anchor="end">{}</text>)",
            frame_.left - 8, at + 4, y_labels[i]);
    }
    auto x_ticks = ticks_of(plot_.x, x_range, plot_.width > 440 ? 6 : 4);
    if (plot_.x.whole) {
      std::erase_if(x_ticks, [](double tick) { return tick != std::round(tick); });
    }
    const auto x_labels = labels_of(plot_.x, x_ticks);
    for (std::size_t i = 0; i < x_ticks.size(); ++i) {
      const double at = x(x_ticks[i]);
      write(R"(<line class="frame" x1="{0:.1f}" x2="{0:.1f}" y1="{1:g}" y2="{2:g}"/>)", at,
            frame_.bottom, frame_.bottom + 4);
      write(R"(<text class="tick" x="{:.1f}" y="{:g}" text-anchor="middle">{}</text>)", at,
            frame_.bottom + 18, x_labels[i]);
    }
    write(R"(<line class="frame" x1="{:g}" x2="{:g}" y1="{:g}" y2="{:g}"/>)", frame_.left,
          frame_.right, frame_.bottom, frame_.bottom);
    write(R"(<text class="axis-label" x="{:g}" y="{:g}" text-anchor="middle">{}</text>)",
          (frame_.left + frame_.right) / 2, plot_.height - 6, escape_html(plot_.x.label));
    if (!plot_.y.label.empty()) {
      write(R"(<text class="axis-label" x="4" y="11">{}</text>)", escape_html(plot_.y.label));
    }
  }

  void draw_series(const PlotSeries& series, const Mapping& x, const Mapping& y) {
    const Curve& curve = series.curve;
    const std::string color = color_class(series.color);
    std::string path;
    std::size_t last = curve.size();
    std::size_t run = 0;  // points since the last gap
    for (std::size_t i = 0; i < curve.size(); ++i) {
      if (!point_drawable(curve, i)) {
        run = 0;
        continue;
      }
      fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", run == 0 ? 'M' : 'L',
                     x(curve.x[i]), y(curve.y[i]));
      ++run;
      last = i;
    }
    if (last == curve.size()) return;
    std::string classes = color;
    if (series.faint) classes += " faint";
    if (series.dash % kDashes > 0) classes += fmt::format(" dash{}", series.dash % kDashes);
    write(R"(<path class="line {}" d="{}"/>)", classes, path);
    // A point between two gaps has no line, so it needs a marker to be seen at all.
    for (std::size_t i = 0; i < curve.size(); ++i) {
      if (!point_drawable(curve, i)) continue;
      const bool alone = (i == 0 || !point_drawable(curve, i - 1)) &&
                         (i + 1 == curve.size() || !point_drawable(curve, i + 1));
      if (!series.markers && !alone) continue;
      out_ += marker_svg(series.shape, x(curve.x[i]), y(curve.y[i]), kMarkerRadius, color,
                         "<title>" + escape_html(note(series, i)) + "</title>");
    }
    if (series.end_label) {
      labels_.push_back(
          {x(curve.x[last]) + 7, y(curve.y[last]) + 4, format_number(curve.y[last]), series.color});
    }
  }

  std::string note(const PlotSeries& series, std::size_t point) const {
    if (point < series.notes.size()) return series.notes[point];
    return fmt::format("{}: {} at {} {:g}", series.name, format_number(series.curve.y[point]),
                       plot_.x.label, series.curve.x[point]);
  }

  // Labels that would overlap are pushed apart downwards, then back up from the bottom edge.
  void draw_end_labels() {
    std::stable_sort(labels_.begin(), labels_.end(),
                     [](const EndLabel& a, const EndLabel& b) { return a.y < b.y; });
    for (std::size_t i = 1; i < labels_.size(); ++i) {
      labels_[i].y = std::max(labels_[i].y, labels_[i - 1].y + kLabelHeight);
    }
    double limit = frame_.bottom;
    for (std::size_t i = labels_.size(); i-- > 0; limit -= kLabelHeight) {
      labels_[i].y = std::min(labels_[i].y, limit);
    }
    for (const EndLabel& label : labels_) {
      write(R"(<text class="end-label {}" x="{:.1f}" y="{:.1f}">{}</text>)",
            color_class(label.color), label.x, label.y, label.text);
    }
  }

  const LinePlot& plot_;
  Frame frame_ = {};
  std::vector<EndLabel> labels_;
  std::string out_;
};

}  // namespace

std::string color_class(int color) {
  return color < 0 ? "cn" : fmt::format("c{}", color % kColors);
}

std::string render_svg(const LinePlot& plot) {
  return Renderer(plot).render();
}

}  // namespace unfold::eval
