// unfold bench attention: attention alone on one device as rows get longer, under the gist mask and
// fully causal.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/bench/section.h"
#include "core/device.h"
#include "gsa/attention_shape.h"
#include "gsa/gist_config.h"

namespace unfold::cli::bench {

struct AttentionLengthsOptions {
  core::Device device;
  std::vector<std::int64_t> lengths;  // positions a row; empty: by device
  std::int64_t positions = 0;         // of a call: as many rows as fit, at least one; 0: by device
  gsa::AttentionShape shape = {.heads = 9, .kv_heads = 3, .width = 64};
  std::int64_t chunk = 16;
  std::int64_t sinks = 4;
  std::int64_t previous_chunks = 1;
  double seconds = 0.5;  // to measure a figure for
};

// Two rows a length. bfloat16 on a GPU, float32 on the CPU. FLOP/s over the pairs that are seen: 4
// * pairs * heads * width forward, 2.5 times that backward. Throws core::UserError for options out
// of range.
Section attention_lengths_section(const AttentionLengthsOptions& options);

}  // namespace unfold::cli::bench
