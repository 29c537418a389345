// Would greedy decoding give this answer?
//
// Greedy decoding gives the answer exactly when each of its tokens is the likeliest one behind the
// prompt and the tokens before it. So the engine is given the prompts and then, at once, the tokens
// of the answers, each of which is attended for as in decoding one by one. Many prompts share a
// pass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "eval/method.h"
#include "gsa/cached_attention.h"
#include "models/prompt.h"

namespace unfold::eval {

struct AnsweredPrompt {
  models::Prompt prompt;              // not empty; suffix set
  std::vector<data::TokenId> answer;  // not empty, without gists
};

struct GreedyMatch {
  std::vector<std::uint8_t> matches;  // (prompts) 1: greedy decoding begins with the answer
  std::vector<data::TokenId> next;    // (prompts) likeliest token behind the answer
  // (prompts) what greedy decoding gives, up to the first token that is not the answer's; at most
  // the answer and the token behind it.
  std::vector<std::vector<data::TokenId>> greedy;
  std::vector<gsa::ReadCount> reads;  // (prompts) by the tokens of the answer
  std::int64_t keys_read = 0;         // by the tokens of the answers, a layer and key/value head
  std::int64_t queries = 0;           // such tokens, times layers and key/value heads
};

GreedyMatch match_greedy(models::Decoder& decoder, const Method& method,
                         const gsa::GistConfig& gist, std::span<const AnsweredPrompt> prompts);

}  // namespace unfold::eval
