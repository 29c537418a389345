// Token ids as text: decimal numbers with white space between them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

// "1 22 333", without a line end.
std::string write_ids(std::span<const TokenId> ids);

// The ids of a text. Throws core::UserError "ORIGIN: 'x' at byte 3: ..." for anything but numbers
// from 0 to vocab_size - 1.
std::vector<TokenId> parse_ids(std::string_view text, std::int64_t vocab_size,
                               std::string_view origin);

}  // namespace unfold::data
