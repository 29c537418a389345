// Would greedy decoding give this answer? Answered without generating.
//
// Greedy decoding gives the answer exactly when each of its tokens is the likeliest one behind the
// prompt and the tokens before it, and that is known from one pass over prompt + answer. Many
// prompts share a pass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "eval/method.h"
#include "models/generate.h"

namespace unfold::eval {

struct AnsweredPrompt {
  models::Prompt prompt;              // not empty
  std::int64_t suffix = 0;            // where the raw suffix of the prompt begins
  std::vector<data::TokenId> answer;  // not empty, without gists
};

struct GreedyMatch {
  std::vector<std::uint8_t> matches;  // (prompts) 1: greedy decoding begins with the answer
  std::vector<data::TokenId> next;    // (prompts) likeliest token behind the answer
  std::int64_t keys_read = 0;         // by the queries of suffix and answer
  std::int64_t queries = 0;           // that many
};

GreedyMatch match_greedy(models::Decoder& decoder, const Method& method,
                         const gsa::GistConfig& gist, std::span<const AnsweredPrompt> prompts);

}  // namespace unfold::eval
