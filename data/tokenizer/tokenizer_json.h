// tokenizer.json, the Hugging Face file of a tokenizer: read into a spec, written from one.
//
// SentencePiece BPE (byte_fallback) is in data/tokenizer/sentencepiece_json.h. Else,
// read: model BPE on the byte alphabet (merges as "a b" or ["a", "b"]; ignore_merges),
// added_tokens, pre_tokenizer ByteLevel, Split, Digits and Sequences of them, normalizer NFC or
// none, decoder ByteLevel, post_processor ByteLevel, TemplateProcessing, and those of BERT and
// RoBERTa (special tokens around a text: Tokenizer::frame()). Ids cover 0 .. N-1 without holes.
// Truncation and padding play no part. Anything else is an error that names the component, since
// skipping it would give other tokens than the model was trained on.
//
// The end-of-document token is the added token with "role": "eos" (a member of ours that other
// readers skip), else "eos_token" of a tokenizer_config.json beside a file named tokenizer.json,
// else the first usual name present (<|endoftext|>, <|end_of_text|>, ...). The same goes for bos,
// which may be missing.
#pragma once

#include <filesystem>

#include "data/tokenizer/tokenizer_spec.h"

namespace unfold::data {

// Throws core::UserError naming the file and the mistake.
TokenizerSpec read_tokenizer_json(const std::filesystem::path& file);

// Writes beside the target, then renames: a reader never sees half a file.
// Throws core::UserError when it cannot be written.
void write_tokenizer_json(const TokenizerSpec& spec, const std::filesystem::path& file);

}  // namespace unfold::data
