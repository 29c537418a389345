// The rows of files of records (data/records/record.h): records in a given order, packed greedily.
//
// A record is one document of a row: its segments, each with its closing gists, then the raw
// suffix; with links (format.gist.links) a prompt with links (gsa/links.h), its segments the
// documents. It is never split: a record that does not fit in the rest of a row starts the next
// one. Targets are the tokens of the answers and their end-of-text tokens, nothing else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/data_config.h"
#include "data/records/record.h"
#include "data/row_format.h"
#include "data/row_shards.h"

namespace unfold::data {

// A run of tokens of a record: tokenized alone, treated alike.
struct RecordPart {
  enum class Kind : std::uint8_t { system, segment, question, answer };
  std::int32_t tokens;
  Kind kind;
};

// A tokenized record.
struct RecordTokens {
  std::vector<TokenId> tokens;
  std::vector<RecordPart> parts;  // their tokens follow one another
};
RecordTokens tokenize_record(const Record& record, const Tokenizer& tokenizer);

// Its positions in a row, and which tokens are labels.
struct RecordElements {
  std::vector<gsa::Element> elements;
  std::vector<std::uint8_t> is_label;  // of tokens
  std::vector<gsa::Part> part;         // of elements; empty without links
};
// Link tokens are elements without a token: raw -1, level -1.
RecordElements lay_out_record(std::span<const TokenId> tokens, std::span<const RecordPart> parts,
                              const RowFormat& format);

class RecordShards final : public RowShards {
 public:
  // Tokenizes every record of every file now and keeps the tokens, four bytes each, so that a bad
  // line is known before the first step. A record longer than a row is an error, or with
  // OnLong::skip left out; questions and answers longer than a row are always an error.
  // inputs: JSONL files and folders of them. Throws core::UserError: see find_record_files,
  // RecordReader; no record left.
  RecordShards(const std::vector<std::string>& inputs, const Tokenizer& tokenizer, RowFormat format,
               OnLong on_long);
  ~RecordShards() override;

  // Files that hold a record which fits.
  std::int64_t count() const override;
  std::unique_ptr<RowSequence> open(std::int64_t shard,
                                    const std::optional<CounterRandom>& shuffle) override;
  bool thread_safe() const override { return true; }

  std::int64_t records() const;
  std::int64_t skipped() const { return skipped_; }

 private:
  struct File;
  class Rows;

  void read(const std::filesystem::path& path, const Tokenizer& tokenizer, OnLong on_long);

  std::vector<File> files_;
  std::int64_t skipped_ = 0;
};

}  // namespace unfold::data
