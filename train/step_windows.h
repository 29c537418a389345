// Which rows of an optimizer step a rank takes, and in which forward passes.
#pragma once

#include <cstdint>
#include <vector>

namespace unfold::train {

// One forward pass of all ranks: `total` rows of the sequence, of which this rank takes `count`
// from row `first` on. A rank may have none.
struct StepWindow {
  std::int64_t total = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  bool operator==(const StepWindow&) const = default;
};

// The passes of a step of `rows` rows: as few as keep every pass of every rank at micro_rows rows
// (0: one pass). Rows are taken in their order, and shared out evenly among ranks; what does not
// divide makes shares and passes that differ by one row.
std::vector<StepWindow> step_windows(std::int64_t rows, std::int64_t micro_rows, int rank,
                                     int world_size);

// Rows of the largest pass of any rank.
std::int64_t largest_pass(std::int64_t rows, std::int64_t micro_rows, int world_size);

}  // namespace unfold::train
