// The text pipeline of tokenizer.json: normalizer, pre_tokenizer and decoder.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "data/tokenizer/json_file.h"
#include "data/tokenizer/pre_tokenizer.h"

namespace unfold::data {

// True for NFC, false for none. Throws core::UserError for any other normalizer.
bool read_normalizer(const JsonView& normalizer);

// Stages in order. Throws core::UserError for a component or an option that we do not run.
std::vector<PreTokenizerStage> read_pre_tokenizer(const JsonView& pre_tokenizer);

// Throws core::UserError unless the decoder is ByteLevel or missing.
void check_decoder(const JsonView& decoder);

nlohmann::ordered_json write_normalizer(bool nfc);
nlohmann::ordered_json write_pre_tokenizer(const std::vector<PreTokenizerStage>& stages);
nlohmann::ordered_json write_decoder();

}  // namespace unfold::data
