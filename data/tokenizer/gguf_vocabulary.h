// The vocabulary in the metadata of a GGUF file (keys tokenizer.ggml.*, tokenizer.chat_template).
#pragma once

#include <filesystem>

#include "core/gguf_file.h"
#include "data/tokenizer/vocabulary_tables.h"

namespace unfold::data {

// Throws core::UserError: no GGUF file (core/gguf_file.h), no vocabulary in it, keys of other
// types, a chat template that is no UTF-8. What the tables mean is checked by
// tokenizer_from_tables().
VocabularyTables read_gguf_vocabulary(const core::GgufFile& file);
VocabularyTables read_gguf_vocabulary(const std::filesystem::path& file);

}  // namespace unfold::data
