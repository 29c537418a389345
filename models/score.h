// Scoring of packed rows: how likely a model finds each target, under a visibility.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/layout.h"
#include "models/decoder.h"

namespace unfold::models {

struct RowScores {
  std::vector<float> loss;         // (rows * length) nats; 0 where there is no target
  std::int64_t visible_pairs = 0;  // (query, key) pairs attended, padding queries left out
  std::int64_t queries = 0;
};

// tokens, targets: (rows * length), targets < 0 carry no loss. No gradient is recorded.
RowScores score_rows(Decoder& decoder, const gsa::Layout& layout,
                     std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
                     const gsa::GistConfig& gist, gsa::Visibility visibility);

// The losses alone, under any attention.
std::vector<float> score_tokens(Decoder& decoder, const gsa::Layout& layout,
                                std::span<const std::int32_t> tokens,
                                std::span<const std::int32_t> targets, AttentionContext& attention);

}  // namespace unfold::models
