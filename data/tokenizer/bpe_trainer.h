// BPE training: from word counts to merges (Sennrich et al. 2016, on bytes).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer_spec.h"
#include "data/tokenizer/word_counter.h"

namespace unfold::data {

struct BpeTrainOptions {
  std::int64_t vocab_size = 8192;                // wanted ids, bytes and special tokens included
  std::vector<std::string> special_tokens = {};  // besides <|endoftext|>
  std::int64_t min_count = 2;                    // a pair that occurs less often is not merged
};

// Ids: 0..255 the bytes, 256 <|endoftext|>, the special tokens as given, then one id a merge. Where
// to go on from: no merges yet. Throws core::UserError for a vocabulary too small for these, and
// for special tokens that are empty, repeated, not UTF-8 or spelled like an ordinary token.
TokenizerSpec start_spec(const BpeTrainOptions& options);

// Merges the most frequent pair until the vocabulary is full or no pair is frequent enough (then
// the vocabulary stays smaller). Ties: the lowest left id, then the lowest right id. A merge that
// spells a token that exists already leads to that token and takes no id. `words` sorted, no word
// twice. progress(merged ids so far, wanted), now and then; may be empty.
TokenizerSpec train_bpe(std::span<const WordCount> words, const BpeTrainOptions& options,
                        const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace unfold::data
