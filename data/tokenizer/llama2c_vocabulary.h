// Tokenizer files of llama2.c (tokenizer.bin, tok512.bin): a SentencePiece vocabulary with scores.
#pragma once

#include <filesystem>

#include "data/tokenizer/vocabulary_tables.h"

namespace unfold::data {

// int32 longest token, then for every token float32 score, int32 length, bytes; spaces are spelt as
// such. Ids 0, 1, 2 are <unk>, <s>, </s> and 3 to 258 the bytes, as SentencePiece puts them.
// Throws core::UserError naming the file and the token where it is damaged.
VocabularyTables read_llama2c_vocabulary(const std::filesystem::path& file);

}  // namespace unfold::data
