#include "eval/token_text.h"

namespace unfold::eval {

std::string token_text(const data::Tokenizer& tokenizer, data::TokenId token) {
  if (token >= tokenizer.vocab_size()) return "\xef\xbf\xbd";
  return tokenizer.is_special(token) ? "" : std::string(tokenizer.token_bytes(token));
}

}  // namespace unfold::eval
