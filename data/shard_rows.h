// The rows of token shards: pieces of documents in a given order, packed greedily.
//
// Shuffled, a document longer than a few rows is cut into pieces, so that neighbouring rows are not
// all of one book; otherwise a piece is a document. A row takes whole pieces one behind the other;
// from a piece that does not fit it takes the longest prefix whose gists fit too, and the rest
// continues as a document of the next row. Every token of the shard is in exactly one row. Rows do
// not span shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "data/row_format.h"
#include "data/row_shards.h"
#include "data/shard.h"

namespace unfold::data {

// Tokens [begin, end) of a shard, of one document.
struct Piece {
  std::int64_t begin;
  std::int64_t end;
};

// The documents of a shard in equal pieces of less than twice most_tokens, in order. most_tokens at
// least 4; none: whole documents. No piece of a document of several tokens has a single one.
std::vector<Piece> cut_documents(const ShardReader& reader,
                                 std::optional<std::int64_t> most_tokens);

// Where a row starts.
struct RowStart {
  std::int64_t piece = 0;   // index into the order
  std::int64_t offset = 0;  // tokens of it that earlier rows took
};

class ShardRows final : public RowSequence {
 public:
  // order: every token of the shard once. `format` must outlive this object.
  ShardRows(ShardReader reader, std::vector<Piece> order, const RowFormat& format);

  bool has_row(std::int64_t index) override;
  void add_row(std::int64_t index, BatchBuilder& batch) override;
  const std::filesystem::path& path() const override { return reader_.path(); }

 private:
  // Packs the row that starts at `start`; returns where the next one starts.
  RowStart pack(RowStart start, BatchBuilder* batch);
  // Tokens of the open piece that go into `room` positions; 0: the row ends before it.
  std::int64_t take(std::int64_t begin, std::int64_t remaining, std::int64_t room);

  ShardReader reader_;
  std::vector<Piece> order_;
  const RowFormat& format_;
  std::vector<RowStart> starts_ = {RowStart{}};  // of rows 0, 1, ..., and of the one behind
  std::vector<TokenId> tokens_;
  std::vector<std::uint8_t> starts_word_;
};

class TokenShards final : public RowShards {
 public:
  // Opens every shard once: a missing or damaged shard, or one of another tokenizer, is a
  // core::UserError now and not hours later.
  TokenShards(std::vector<std::filesystem::path> shards, RowFormat format);

  std::int64_t count() const override { return static_cast<std::int64_t>(shards_.size()); }
  std::unique_ptr<RowSequence> open(std::int64_t shard,
                                    const std::optional<CounterRandom>& shuffle) override;
  bool thread_safe() const override { return shards_are_thread_safe(); }

 private:
  std::vector<std::filesystem::path> shards_;
};

}  // namespace unfold::data
