// What selecting costs a decode step as the context grows: the descent over the levels of gists
// against scoring every chunk (METHOD.md section 9).
#pragma once

#include <cstdint>
#include <vector>

#include "cli/bench/section.h"

namespace unfold::cli::bench {

struct SelectionBenchOptions {
  std::vector<std::int64_t> contexts = {1024, 4096, 16384, 65536, 262144, 1048576};  // raw tokens
  std::vector<std::int64_t> chunks = {8, 4, 4};  // c, m_1, ..., m_top
  std::int64_t budget = 8;                       // k: gists a query head picks a level, at most
  std::int64_t steps = 8;                        // decode steps; the counts are those of the worst
};

// Longest context: its cache takes half a gigabyte, and more than twice that while it grows.
inline constexpr std::int64_t kLongestContext = std::int64_t{1} << 22;

// One context length. Counts are gists scored for one query head, so that they compare with the
// bound; the heads that share a key/value head are averaged.
struct SelectionCost {
  std::int64_t context = 0;
  std::vector<std::int64_t> gists;  // by level
  std::int64_t budget = 0;
  double scored = 0;       // h_gsa
  std::int64_t bound = 0;  // G_top + k (m_1 + ... + m_top); k m (L - 1) for equal m
  double flat = 0;         // gsa: all level-0 gists
  double keys = 0;         // attended to by a query under h_gsa, all it needs besides the scores
  double seconds = 0;      // of the fastest decode step of one layer under h_gsa
  double flat_seconds = 0;

  bool within_bound() const { return scored <= static_cast<double>(bound); }
};

// Decodes behind a context of random gist keys, 4 query heads on 2 key/value heads of width 16, in
// bfloat16, with the engine's own caches, policies and kernel. Counts are a function of the options
// alone. Throws core::UserError for options out of range.
std::vector<SelectionCost> measure_selection(const SelectionBenchOptions& options);

Section selection_section(const SelectionBenchOptions& options,
                          const std::vector<SelectionCost>& costs);

}  // namespace unfold::cli::bench
