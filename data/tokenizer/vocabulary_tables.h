// A vocabulary as plain tables, the way GGUF files and llama2.c keep it, made into a tokenizer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_spec.h"

namespace unfold::data {

struct VocabularyTables {
  std::string model;                // "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE)
  std::string pre;                  // of gpt2: the name of its pre-tokenizer, tokenizer.ggml.pre
  std::vector<std::string> tokens;  // by id: in the byte alphabet (gpt2), with "\u2581" (llama)
  std::vector<float> scores;        // of llama: the higher, the sooner merged
  std::vector<std::int32_t> types;  // TokenType; empty: all normal
  std::vector<std::string> merges;  // of gpt2: "a b" by rank
  std::optional<TokenId> bos, eos;
  bool add_bos = false;
  std::string chat_template;
  bool add_space_prefix = true;    // of llama
  std::optional<TokenId> unknown;  // of llama
};

// Types of tokens as GGUF numbers them.
enum TokenType : std::int32_t {
  kNormalToken = 1,
  kUnknownToken = 2,
  kControlToken = 3,
  kUserDefinedToken = 4,
  kUnusedToken = 5,
  kByteToken = 6,
};

// Pre-tokenizers: gpt-2, llama-bpe, qwen2, smollm, default. Control tokens, bos and eos become
// special added tokens, user-defined ones plain added tokens. Unused tokens at the end, which only
// fill up the embedding, are left out. origin: the file, for errors. Throws core::UserError:
// another model or pre-tokenizer, tables of different lengths, ids out of range, texts that are no
// UTF-8, empty, unknown to the merges.
TokenizerSpec tokenizer_from_tables(const VocabularyTables& tables, const std::string& origin);

}  // namespace unfold::data
