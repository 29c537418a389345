// The post_processor of tokenizer.json: special tokens around a text.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>

#include "data/tokenizer/json_file.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_spec.h"

namespace unfold::data {

// ByteLevel changes no ids; TemplateProcessing (its template for one text), BertProcessing,
// RobertaProcessing and Sequences of them give a frame; nothing gives none. Throws core::UserError
// for other kinds, ids beyond `vocab_size` and templates that do not hold the text once.
SpecialFrame read_post_processor(const JsonView& processor, std::size_t vocab_size);

// ByteLevel, with a TemplateProcessing behind it for a frame; null without one.
nlohmann::ordered_json write_post_processor(const TokenizerSpec& spec);

}  // namespace unfold::data
