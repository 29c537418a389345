#include "eval/report/heat_map.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "eval/report/html.h"
#include "eval/report/method_style.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kMostDepths = 20;
constexpr std::size_t kMostContexts = 12;
constexpr std::size_t kMostMaps = 60;  // of a task at a ratio
constexpr std::size_t kMostTasks = 12;

struct Source {
  std::size_t rank;
  std::size_t run;
  const PredictionFile* file;
};

bool has_place(const PredictedSample& sample) {
  return std::isfinite(sample.depth) && std::isfinite(sample.context) && sample.context > 0 &&
         std::isfinite(sample.score);
}

// The values themselves while they are few; else equal bins, known by their middles.
class Axis {
 public:
  Axis(const std::set<double>& values, std::size_t most, bool log) : log_(log) {
    if (values.empty()) return;
    if (values.size() <= most) {
      middles_.assign(values.begin(), values.end());
      return;
    }
    low_ = place(*values.begin());
    width_ = (place(*values.rbegin()) - low_) / static_cast<double>(most / 2);
    for (std::size_t bin = 0; bin < most / 2; ++bin) {
      const double middle = low_ + (static_cast<double>(bin) + 0.5) * width_;
      middles_.push_back(log ? std::exp2(middle) : middle);
    }
  }

  std::size_t index(double value) const {
    if (width_ == 0) {
      return static_cast<std::size_t>(std::lower_bound(middles_.begin(), middles_.end(), value) -
                                      middles_.begin());
    }
    const double bin = (place(value) - low_) / width_;
    return std::min(static_cast<std::size_t>(std::max(bin, 0.0)), middles_.size() - 1);
  }

  const std::vector<double>& middles() const { return middles_; }

 private:
  double place(double value) const { return log_ ? std::log2(value) : value; }
  bool log_;
  double low_ = 0;
  double width_ = 0;
  std::vector<double> middles_;
};

HeatMap map_of(const Source& source, const Axis& depths, const Axis& contexts) {
  HeatMap map;
  map.run = source.run;
  map.method = source.file->method;
  map.ratio = source.file->ratio;
  map.cells.resize(depths.middles().size() * contexts.middles().size());
  for (const PredictedSample& sample : source.file->samples) {
    if (!has_place(sample)) continue;
    HeatCell& cell = map.cells[depths.index(sample.depth) * contexts.middles().size() +
                               contexts.index(sample.context)];
    cell.mean += sample.score;
    ++cell.n;
    map.mean += sample.score;
    ++map.n;
  }
  for (HeatCell& cell : map.cells) {
    if (cell.n > 0) cell.mean /= static_cast<double>(cell.n);
  }
  if (map.n > 0) map.mean /= static_cast<double>(map.n);
  return map;
}

HeatMaps maps_of(const std::string& task, std::vector<Source>& sources) {
  std::stable_sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.run < b.run;
  });
  std::set<double> all_depths;
  std::set<double> all_contexts;
  for (const Source& source : sources) {
    for (const PredictedSample& sample : source.file->samples) {
      if (!has_place(sample)) continue;
      all_depths.insert(sample.depth);
      all_contexts.insert(sample.context);
    }
  }
  const Axis depths(all_depths, kMostDepths, false);
  const Axis contexts(all_contexts, kMostContexts, true);
  HeatMaps maps;
  maps.task = task;
  maps.depths = depths.middles();
  maps.contexts = contexts.middles();
  for (const Source& source : sources) {
    if (maps.maps.size() == kMostMaps) {
      ++maps.left_out;
    } else {
      maps.maps.push_back(map_of(source, depths, contexts));
    }
  }
  return maps;
}

std::string tokens_text(double tokens) {
  if (tokens < 1000) return fmt::format("{:.0f}", tokens);
  // 4096 is 4k, as people say it.
  const double thousands = std::fmod(tokens, 1024) == 0 ? tokens / 1024 : tokens / 1000;
  return thousands < 10 && thousands != std::round(thousands) ? fmt::format("{:.1f}k", thousands)
                                                              : fmt::format("{:.0f}k", thousands);
}

}  // namespace

std::vector<HeatMaps> needle_maps(const RunComparison& comparison, double ratio) {
  std::map<std::string, std::vector<Source>> tasks;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    for (const PredictionFile& file : comparison.runs[run].predictions.files) {
      if (!belongs_to_ratio(file.method, file.ratio, ratio)) continue;
      if (!std::any_of(file.samples.begin(), file.samples.end(), has_place)) continue;
      tasks[file.task].push_back({comparison.palette.rank(file.method), run, &file});
    }
  }
  std::vector<HeatMaps> result;
  for (auto& [task, sources] : tasks) {
    if (result.size() == kMostTasks) break;
    result.push_back(maps_of(task, sources));
  }
  return result;
}

std::string heat_map_svg(const HeatMaps& maps, const HeatMap& map) {
  constexpr double kLeft = 36;
  constexpr double kWidth = 220;
  constexpr double kBottom = 20;
  const std::size_t columns = maps.contexts.size();
  const double cell_width =
      (kWidth - kLeft) / static_cast<double>(std::max<std::size_t>(columns, 1));
  const double cell_height = std::clamp(120.0 / static_cast<double>(maps.depths.size()), 7.0, 24.0);
  const double height = cell_height * static_cast<double>(maps.depths.size());
  std::string out = fmt::format(
      R"(<svg class="plot heat-map" viewBox="0 0 {:g} {:.1f}" role="img" aria-label="{}">)", kWidth,
      height + kBottom,
      escape_html(
          fmt::format("{}: score by depth and context, mean {:.1f}%", map.method, map.mean * 100)));
  for (std::size_t row = 0; row < maps.depths.size(); ++row) {
    const double y = static_cast<double>(row) * cell_height;
    for (std::size_t column = 0; column < columns; ++column) {
      const HeatCell& cell = map.cells[row * columns + column];
      fmt::format_to(std::back_inserter(out),
                     R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}")",
                     kLeft + static_cast<double>(column) * cell_width + 0.5, y + 0.5,
                     cell_width - 1, cell_height - 1);
      const std::string place = fmt::format("depth {:.0f}%, {:.0f} tokens", maps.depths[row] * 100,
                                            maps.contexts[column]);
      if (cell.n == 0) {
        out += fmt::format(R"( class="none"><title>{}: no sample</title></rect>)", place);
      } else {
        out += fmt::format(
            R"( class="heat" fill-opacity="{:.2f}"><title>{}: {:.0f}% of {}</title></rect>)",
            0.06 + 0.94 * std::clamp(cell.mean, 0.0, 1.0), place, cell.mean * 100, cell.n);
      }
    }
  }
  // The first, the middle and the last depth; about four lengths.
  const std::set<std::size_t> shown = {0, (maps.depths.size() - 1) / 2, maps.depths.size() - 1};
  for (const std::size_t row : shown) {
    out += fmt::format(R"(<text class="tick" x="{:g}" y="{:.1f}" text-anchor="end">{:.0f}%</text>)",
                       kLeft - 5, (static_cast<double>(row) + 0.5) * cell_height + 4,
                       maps.depths[row] * 100);
  }
  const std::size_t stride = (columns + 3) / 4;
  for (std::size_t column = 0; column < columns; column += std::max<std::size_t>(stride, 1)) {
    out += fmt::format(R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)",
                       kLeft + (static_cast<double>(column) + 0.5) * cell_width, height + 15,
                       tokens_text(maps.contexts[column]));
  }
  return out + "</svg>";
}

}  // namespace unfold::eval
