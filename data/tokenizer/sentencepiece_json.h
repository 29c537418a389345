// tokenizer.json of SentencePiece-style BPE, as Llama 2 ships it.
//
// model: BPE with byte_fallback, not ignore_merges; its unk_token may be null. Either a normalizer
// of Prepend "\u2581" (or not) and Replace " " by "\u2581", without pre_tokenizer; or a
// pre_tokenizer Metaspace with split false, without normalizer. decoder: Sequence of Replace,
// ByteFallback, Fuse and Strip (one space at the start), the last one where a space is prepended.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "data/tokenizer/json_file.h"
#include "data/tokenizer/tokenizer_spec.h"

namespace unfold::data {

// True when the model has byte_fallback.
bool is_sentencepiece(const JsonView& root);

// Throws core::UserError for a component or an option that we do not run. spec: tokens and added
// tokens are read already.
SentencePieceSpec read_sentencepiece(const JsonView& root, const TokenizerSpec& spec);

// Replaces what a byte-level file says by what this spec needs.
void write_sentencepiece(const TokenizerSpec& spec, nlohmann::ordered_json& root);

}  // namespace unfold::data
