// tokenizer.json as it goes in and out of a run: edited as JSON, so that what we do not use (post
// processor, decoder, flags of tokens) stays as it was.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/tokenizer/added_tokens.h"

namespace unfold::data {

// Copies a tokenizer.json, giving "role" to the tokens that end and begin a document: what a
// tokenizer_config.json beside the source says is then in the file itself. Entries with ids of
// `size` and above are left out (the gists of an export of ours); 0: none are.
// Throws core::UserError: not a tokenizer that can be read, cannot be written.
void copy_tokenizer_json(const std::filesystem::path& from, const std::filesystem::path& to,
                         std::int64_t size = 0);

// Copies a tokenizer.json and adds tokens, special ones. Ids between its own and theirs get tokens
// that no text spells, since ids must have no holes. Throws core::UserError when a token exists.
void add_to_tokenizer_json(const std::filesystem::path& from, const std::filesystem::path& to,
                           const std::vector<AddedToken>& tokens);

}  // namespace unfold::data
