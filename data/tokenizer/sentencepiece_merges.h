// Merges of a SentencePiece BPE vocabulary, which keeps scores instead.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/tokenizer/bpe_model.h"

namespace unfold::data {

// Longer pieces are refused: all ways to cut each in two are looked up.
inline constexpr std::size_t kLongestPiece = 1024;  // bytes

// SentencePiece merges the neighbours whose union has the highest score. As ranks: all ways to cut
// a piece into two pieces, pieces of higher score first; of equal score by id, as Hugging Face's
// conversion does. takes_part marks the pieces (not control, byte or added tokens).
std::vector<BpeMerge> merges_from_scores(const std::vector<std::string>& tokens,
                                         std::span<const float> scores,
                                         const std::vector<bool>& takes_part);

}  // namespace unfold::data
