#include "train/step_windows.h"

#include <algorithm>

#include "core/comm/share.h"

namespace unfold::train {
namespace {

std::int64_t divide_up(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

}  // namespace

std::vector<StepWindow> step_windows(std::int64_t rows, std::int64_t micro_rows, int rank,
                                     int world_size) {
  const std::int64_t most = divide_up(rows, world_size);  // of a rank
  const auto passes = static_cast<int>(micro_rows > 0 ? divide_up(most, micro_rows) : 1);
  std::vector<StepWindow> windows;
  for (int pass = 0; pass < passes; ++pass) {
    const std::int64_t total = core::even_share_of(rows, pass, passes).size();
    const core::Share mine = core::even_share_of(total, rank, world_size);
    windows.push_back({total, mine.begin, mine.size()});
  }
  return windows;
}

std::int64_t largest_pass(std::int64_t rows, std::int64_t micro_rows, int world_size) {
  const std::int64_t most = divide_up(rows, world_size);
  return micro_rows > 0 ? std::min(micro_rows, most) : most;
}

}  // namespace unfold::train
