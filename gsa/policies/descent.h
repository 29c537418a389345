// The descent of METHOD.md section 7 for one query head, over any source of scores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/selection.h"

namespace unfold::gsa {

// What a head descends.
struct DescentInput {
  const SelectionConfig& config;
  std::int64_t entries = 0;  // KV entries of the sequence at or before the query
  std::int64_t n_rep = 1;
  std::int64_t width = 1;
};

// Picks among `gists` of a level given as candidates and their scores: indices into candidates,
// ascending.
std::vector<std::int32_t> pick(const DescentInput& input, std::span<const double> scores,
                               std::int64_t gists);

}  // namespace unfold::gsa
