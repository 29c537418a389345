// The two orders in which files keep the rows of query and key projections.
//
// RoPE turns pairs of rows of a head. Hugging Face, and Unfold, pair row i with row i + half of the
// head ("half-split"); Meta's originals, llama2.c and GGUF files of Llama pair 2i with 2i + 1
// ("interleaved"). Both give the same scores when the rows are put in the order of the other.
#pragma once

#include <cstdint>

namespace unfold::models {

// Where the row that stands at `row` in half-split order is found in interleaved order.
inline std::int64_t interleaved_row(std::int64_t row, std::int64_t head_width) {
  const std::int64_t half = head_width / 2;
  const std::int64_t in_head = row % head_width;
  const std::int64_t pair = in_head % half;
  return row - in_head + 2 * pair + in_head / half;
}

}  // namespace unfold::models
