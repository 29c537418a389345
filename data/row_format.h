// How the tokens of documents become rows of a fixed length, and the batch made of such rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/shard.h"
#include "data/tokenizer/tokenizer.h"
#include "gsa/gist_config.h"
#include "gsa/insertion.h"

namespace unfold::data {

struct RowFormat {
  gsa::GistConfig gist;
  std::int64_t row_length = 0;            // positions a row, gists and padding included
  VocabInfo vocab;                        // of the tokenizer the model was built for
  TokenId first_gist = 0;                 // id of the level-0 gist: the model's raw vocabulary size
  std::vector<std::uint8_t> starts_word;  // (vocab_size); may be empty for InsertionRule::count
};

// The format for a tokenizer and a model with model_vocab raw rows (0: as many as the tokenizer has
// entries; never fewer). Throws core::UserError when no row can hold a chunk: a chunk longer
// than the row, or a row too short for two tokens with their gists.
RowFormat make_row_format(const Tokenizer& tokenizer, const gsa::GistConfig& gist,
                          std::int64_t row_length, std::int64_t model_vocab = 0);

// Collects rows piece by piece, then computes layout and targets.
class BatchBuilder {
 public:
  explicit BatchBuilder(const RowFormat& format) : format_(format) {}

  // Adds a document, or the part of one that fits, behind what the current row holds.
  // elements: insert_gists of these tokens; they must fit in the rest of the row.
  // part: of the elements, for a prompt with links (gsa/links.h); empty without. Elements of
  // Part::link have no token: they become the link tokens, in order behind every document.
  // is_label: for each token whether it is a target where its document has a token before it;
  // empty: all are.
  void add(std::span<const TokenId> tokens, std::span<const gsa::Element> elements,
           std::span<const std::uint8_t> is_label = {}, std::span<const gsa::Part> part = {});
  // Fills the rest of the row with padding.
  void end_row();

  std::int64_t rows() const { return rows_; }
  Batch build() &&;

 private:
  const RowFormat& format_;
  std::int64_t rows_ = 0;
  std::int32_t document_ = 0;  // index within the current row
  std::vector<TokenId> tokens_;
  std::vector<std::int8_t> level_;
  std::vector<std::int32_t> documents_;
  std::vector<std::uint8_t> is_label_;  // of positions
  std::vector<gsa::Part> part_;         // of positions; empty as long as there are no links
};

}  // namespace unfold::data
