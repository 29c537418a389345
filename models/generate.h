// Generation: sampling in a loop over the inference engine, many prompts at once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/engine.h"
#include "models/sampling.h"

namespace unfold::models {

struct GenerateOptions {
  std::int64_t max_tokens = 128;
  std::int32_t eos = -1;  // generation stops behind this token (it is not returned); -1: never
  std::vector<std::int32_t> more_eos = {};  // tokens that end it just so, as that of a chat's turn
  SamplingOptions sampling = {};            // prompt i draws from stream i of the seed
  // Generation stops behind the token whose text completes one of these, wherever in the generated
  // text it begins. text_of gives the text of a token, in bytes; needed with stop strings.
  std::vector<std::string> stop = {};
  std::function<std::string(std::int32_t)> text_of = {};
};

enum class FinishReason { length, eos, stop };

struct Generated {
  std::vector<std::int32_t> tokens;  // those of a stop string included; gists never
  FinishReason finish = FinishReason::length;
  // Bytes at the end of the text of `tokens` from where the stop string begins; 0 without one.
  std::size_t stop_bytes = 0;
};

// Sees every token as it comes: (prompt, token).
using OnToken = std::function<void(std::int64_t, std::int32_t)>;

// Continues the prompts. Sequences are released when they end. Gists are never generated.
// Throws as Engine::prefill; core::InternalError for a stop string that is empty or without
// text_of.
std::vector<Generated> generate(Engine& engine, std::span<const Prompt> prompts,
                                const GenerateOptions& options, const OnToken& on_token = {});

}  // namespace unfold::models
