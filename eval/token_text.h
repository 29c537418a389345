// The text of generated tokens.
#pragma once

#include <string>

#include "data/tokenizer/tokenizer.h"

namespace unfold::eval {

// The bytes a generated token stands for; they may be a part of a character. Special tokens give
// nothing, ids behind the tokenizer's vocabulary (a model's may be wider) U+FFFD.
std::string token_text(const data::Tokenizer& tokenizer, data::TokenId token);

}  // namespace unfold::eval
