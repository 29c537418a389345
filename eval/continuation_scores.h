// How likely a model finds given tokens behind a prompt, under any attention method.
//
// The engine is given the prompts and then the tokens, each of which is attended for as in decoding
// one by one. So the figures of methods that choose keys query by query, and of those that are a
// mask over rows, come about in one way and compare.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/greedy_match.h"
#include "eval/method.h"

namespace unfold::eval {

struct ContinuationScores {
  std::vector<float> loss;  // nats of every token of the answer
  // What greedy decoding begins with: as much as agrees with the answer, and the first token that
  // does not. The answer itself when all of it agrees.
  std::vector<data::TokenId> greedy;
  std::int64_t keys_read = 0;  // by the tokens, a layer and key/value head
  std::int64_t queries = 0;    // tokens, times layers and key/value heads
};

// One of the results for each prompt.
std::vector<ContinuationScores> score_continuations(models::Decoder& decoder, const Method& method,
                                                    const gsa::GistConfig& gist,
                                                    std::span<const AnsweredPrompt> prompts);

}  // namespace unfold::eval
