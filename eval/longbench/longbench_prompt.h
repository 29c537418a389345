// The prompt of a LongBench sample, made as the official evaluation makes it (pred.py), and cut
// into the part that is compressed and the part that stays raw.
//
// 1. The template is filled in: the whole prompt.
// 2. Middle truncation, of the whole prompt: it is tokenized with the special tokens that the
//    tokenizer puts around a text; if there are more than max_length tokens, the first and the last
//    max_length / 2 (rounded down) are turned back into text, without special tokens, and joined.
// 3. Where the dataset is asked in a chat template and the run has one, the prompt becomes the
//    message of the user, and the beginning of the answer follows. Else the special tokens of the
//    tokenizer go in front.
// 4. Only now it is cut (METHOD.md section 11): the suffix is the text of the template behind the
//    context, and the tail of the chat template; everything before is one segment. Truncation may
//    have cut into the suffix, when it is longer than half of what is allowed: then what is left of
//    it, behind the middle, is the suffix.
//
// The official evaluation tokenizes the prompt as one text; here segment and suffix are tokenized
// apart, so that the suffix holds no token of the context. The text is the same byte for byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "eval/longbench/prompt_template.h"

namespace unfold::eval {

struct LongBenchPrompt {
  std::string text;        // whole
  std::size_t suffix = 0;  // bytes of the text before the suffix
  bool truncated = false;
};

// Steps 1 and 2. max_length: at least 2, or 0 for no limit.
LongBenchPrompt truncated_prompt(const PromptTemplate& prompt_template, std::string_view context,
                                 std::string_view input, const data::Tokenizer& tokenizer,
                                 std::int64_t max_length);

// Step 3, with a chat template. Throws core::UserError for a template that changes the message
// within.
LongBenchPrompt as_chat(const LongBenchPrompt& prompt, const data::ChatTemplate& chat);

}  // namespace unfold::eval
