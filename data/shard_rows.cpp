#include "data/shard_rows.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/insertion.h"

namespace unfold::data {

namespace {

constexpr std::string_view kTag = "loader";

// Rows of one document that may follow one another in a shuffled order.
constexpr std::int64_t kPieceRows = 2;

}  // namespace

std::vector<Piece> cut_documents(const ShardReader& reader,
                                 std::optional<std::int64_t> most_tokens) {
  std::vector<Piece> pieces;
  for (std::int64_t document = 0; document < reader.documents(); ++document) {
    const std::int64_t begin = reader.document_begin(document);
    const std::int64_t size = reader.document_begin(document + 1) - begin;
    // Equal parts: the last one is no stump.
    const std::int64_t count = most_tokens ? std::max<std::int64_t>(1, size / *most_tokens) : 1;
    for (std::int64_t i = 0; i < count; ++i) {
      pieces.push_back({begin + size * i / count, begin + size * (i + 1) / count});
    }
  }
  return pieces;
}

ShardRows::ShardRows(ShardReader reader, std::vector<Piece> order, const RowFormat& format)
    : reader_(std::move(reader)), order_(std::move(order)), format_(format) {
  core::check(static_cast<std::int64_t>(order_.size()) >= reader_.documents(), kTag,
              "{} pieces of a shard of {} documents", order_.size(), reader_.documents());
}

bool ShardRows::has_row(std::int64_t index) {
  const auto pieces = static_cast<std::int64_t>(order_.size());
  while (starts_.back().piece < pieces && static_cast<std::int64_t>(starts_.size()) <= index + 1) {
    starts_.push_back(pack(starts_.back(), nullptr));
  }
  return index + 1 < static_cast<std::int64_t>(starts_.size());
}

void ShardRows::add_row(std::int64_t index, BatchBuilder& batch) {
  core::check(has_row(index), kTag, "{} has no row {}", reader_.path().string(), index);
  pack(starts_[static_cast<std::size_t>(index)], &batch);
  batch.end_row();
}

RowStart ShardRows::pack(RowStart at, BatchBuilder* batch) {
  std::int64_t room = format_.row_length;
  while (at.piece < static_cast<std::int64_t>(order_.size())) {
    const Piece& piece = order_[static_cast<std::size_t>(at.piece)];
    const std::int64_t begin = piece.begin + at.offset;
    const std::int64_t remaining = piece.end - begin;
    const std::int64_t count = take(begin, remaining, room);
    if (count == 0) break;
    const auto size = static_cast<std::size_t>(count);
    const auto elements = gsa::insert_gists(
        count, std::span(starts_word_).first(std::min(size, starts_word_.size())), format_.gist);
    room -= static_cast<std::int64_t>(elements.size());
    if (batch != nullptr) batch->add(std::span(tokens_).first(size), elements);
    if (count == remaining) {
      ++at.piece;
      at.offset = 0;
    } else {
      at.offset += count;
      break;
    }
  }
  core::check(room < format_.row_length, kTag, "a row of {} positions holds no token",
              format_.row_length);
  return at;
}

std::int64_t ShardRows::take(std::int64_t begin, std::int64_t remaining, std::int64_t room) {
  const std::int64_t window = std::min(remaining, room);
  tokens_.resize(static_cast<std::size_t>(window));
  reader_.read(begin, tokens_);
  starts_word_.clear();
  if (format_.gist.rule == gsa::InsertionRule::word) {
    for (const TokenId token : tokens_) {
      starts_word_.push_back(format_.starts_word[static_cast<std::size_t>(token)]);
    }
  }
  const std::int64_t count = gsa::longest_prefix(window, starts_word_, format_.gist, room);
  if (count == remaining) return count;
  // A piece of one token has no target: leave that place empty.
  if (count < 2) return 0;
  // For the same reason no single token is left over, unless that makes one here. One token less
  // never takes more room: a longer prefix has at least the gists of a shorter one.
  if (remaining - count == 1 && count > 2) return count - 1;
  return count;
}

TokenShards::TokenShards(std::vector<std::filesystem::path> shards, RowFormat format)
    : RowShards(std::move(format)), shards_(std::move(shards)) {
  core::require(!shards_.empty(), kTag, "no shards to read: name some in data.train and data.val");
  for (const auto& shard : shards_) ShardReader(shard, this->format().vocab.fingerprint);
}

std::unique_ptr<RowSequence> TokenShards::open(std::int64_t shard,
                                               const std::optional<CounterRandom>& shuffle) {
  ShardReader reader(shards_[static_cast<std::size_t>(shard)], format().vocab.fingerprint);
  std::optional<std::int64_t> most_tokens;
  if (shuffle) most_tokens = std::max<std::int64_t>(4, kPieceRows * format().row_length);
  std::vector<Piece> pieces = cut_documents(reader, most_tokens);
  if (shuffle) CounterRandom(*shuffle).shuffle(std::span(pieces));
  return std::make_unique<ShardRows>(std::move(reader), std::move(pieces), format());
}

}  // namespace unfold::data
