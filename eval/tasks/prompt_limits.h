// How long the prompts of a run may be, and what all tasks of generation say about their samples.
#pragma once

#include <cstdint>
#include <string_view>

#include "data/chat_template.h"
#include "data/sha256.h"
#include "eval/tasks/generation_task.h"

namespace unfold::eval {

// Raw tokens that prompt and answer may have: eval.max_length, or what the model was made for; 0:
// nothing is known to limit them.
std::int64_t position_limit(const LoadedRun& run, const EvalSettings& settings);

// Raw tokens of a prompt with its longest answer: about how many positions it takes.
std::int64_t sample_positions(const GenerationSample& sample);

// Throws core::UserError, "PLACE: ...", for a sample that is longer.
void check_length(const GenerationSample& sample, const LoadedRun& run,
                  const EvalSettings& settings, std::string_view place);

// Puts the special tokens that the tokenizer's file asks for in front of a whole text, unless it
// begins with them: chat templates write them themselves.
void add_frame(const data::Tokenizer& tokenizer, std::vector<data::TokenId>& tokens);

// What ends an answer in a chat: the token that ends a turn, or the text where it is no token.
StopRule chat_stop(const data::Tokenizer& tokenizer, const data::ChatTemplate& chat);

// Adds everything of a sample that its prediction and score depend on.
void hash_sample(const GenerationSample& sample, data::Sha256& sha);

}  // namespace unfold::eval
