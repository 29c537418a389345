// Greedy generation of many prompts at once, each with limits of its own: what an evaluation runs.
//
// Prompts are prefilled some at a time, so that activations stay small, and then decode together,
// one pass a token for all that have not ended. On a GPU only the likeliest token of every row
// comes back to the host. models/generate.h samples, and shows tokens as they come.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/engine.h"
#include "models/generate.h"

namespace unfold::models {

struct GreedyPrompt {
  Prompt prompt;
  std::int64_t max_tokens = 128;        // at least 1
  std::vector<std::int32_t> ends = {};  // tokens that end the answer; not returned
  std::vector<std::string> stop = {};   // as GenerateOptions::stop
  std::int64_t min_tokens = 0;  // before so many, none of `ends` is chosen, but the likeliest other
};

struct GreedyAnswer {
  Generated generated;
  gsa::ReadCount reads;  // by the tokens behind the prompt that were fed
  // Its share of the time: of a prefill by the positions of the prompts, of a step by the number of
  // sequences. So they sum to the time of all.
  double seconds = 0;
};

struct GreedyOptions {
  // Gives the text of a token, in bytes; needed with stop strings.
  std::function<std::string(std::int32_t)> text_of = {};
  // Prompts are prefilled together up to so many positions; a longer one by itself.
  std::int64_t prefill_positions = 8192;
};

// Calls done(index, answer) when a sequence ends; it is released then. Throws as Engine::prefill.
void generate_greedily(Engine& engine, std::span<const GreedyPrompt> prompts,
                       const GreedyOptions& options,
                       const std::function<void(std::size_t, GreedyAnswer)>& done);

// The likeliest token of every row of logits (rows, vocabulary); ties go to the lower one.
std::vector<std::int32_t> likeliest(const core::Tensor& logits);

}  // namespace unfold::models
