// Batch: one micro-batch of packed rows, ready for the model.
#pragma once

#include <cstdint>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "gsa/layout.h"

namespace unfold::data {

// Target value of positions that carry no loss.
inline constexpr TokenId kIgnoredTarget = -1;

struct Batch {
  gsa::Layout layout;            // rows x length; levels, documents, RoPE positions
  std::vector<TokenId> tokens;   // (rows, length); gist of level l has id vocab_size + l; link i
                                 // vocab_size + levels + i; padding 0
  std::vector<TokenId> targets;  // (rows, length) next raw token of the same document, else ignored
  std::int64_t valid_targets = 0;  // targets that are not ignored
  std::int64_t target_bytes = 0;   // bytes of text those targets stand for (special tokens count 0)
};

// The same rows with their gists and links taken out, for plain full attention: every raw token
// keeps its position and its target (the token before a gist takes over the gist's target). Rows
// become as short as the longest of them allows.
Batch without_gists(const Batch& batch);

}  // namespace unfold::data
