// Needle heat maps: the mean score by depth of the needle and length of the context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "eval/report/run_comparison.h"

namespace unfold::eval {

struct HeatCell {
  double mean = 0;
  std::int64_t n = 0;  // 0: no sample there
};

struct HeatMap {
  std::size_t run = 0;
  std::string method;
  double ratio = 1;
  double mean = 0;  // over its samples
  std::int64_t n = 0;
  std::vector<HeatCell> cells;  // [depth][context]
};

// The maps of a task share their axes.
struct HeatMaps {
  std::string task;
  std::vector<double> depths;    // 0..1, ascending: a depth, or the middle of a bin
  std::vector<double> contexts;  // tokens, ascending: likewise
  std::vector<HeatMap> maps;     // by method, then run
  std::size_t left_out = 0;      // maps beyond what a page can show
};

// Of every task whose predictions have the tags "depth" and "context": the methods at `ratio`, and
// those that read everything. More than 20 depths or 12 lengths are put into bins.
std::vector<HeatMaps> needle_maps(const RunComparison& comparison, double ratio);

// A map as inline SVG: classes heat, none, tick (page_style.h); the deeper the colour, the higher
// the score. Tooltips say each cell's value.
std::string heat_map_svg(const HeatMaps& maps, const HeatMap& map);

}  // namespace unfold::eval
