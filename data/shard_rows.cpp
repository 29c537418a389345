#include "data/shard_rows.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/insertion.h"

namespace unfold::data {

namespace {

constexpr std::string_view kTag = "loader";

}  // namespace

ShardRows::ShardRows(ShardReader reader, std::vector<std::int64_t> order, const RowFormat& format)
    : reader_(std::move(reader)), order_(std::move(order)), format_(format) {
  core::check(static_cast<std::int64_t>(order_.size()) == reader_.documents(), kTag,
              "order of {} documents for a shard of {}", order_.size(), reader_.documents());
}

bool ShardRows::has_row(std::int64_t index) {
  const auto documents = static_cast<std::int64_t>(order_.size());
  while (starts_.back().document < documents &&
         static_cast<std::int64_t>(starts_.size()) <= index + 1) {
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
  while (at.document < static_cast<std::int64_t>(order_.size())) {
    const std::int64_t document = order_[static_cast<std::size_t>(at.document)];
    const std::int64_t begin = reader_.document_begin(document) + at.offset;
    const std::int64_t remaining = reader_.document_begin(document + 1) - begin;
    const std::int64_t count = take(begin, remaining, room);
    if (count == 0) break;
    const auto size = static_cast<std::size_t>(count);
    const auto elements = gsa::insert_gists(
        count, std::span(starts_word_).first(std::min(size, starts_word_.size())), format_.gist);
    room -= static_cast<std::int64_t>(elements.size());
    if (batch != nullptr) batch->add(std::span(tokens_).first(size), elements);
    if (count == remaining) {
      ++at.document;
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
  std::vector<std::int64_t> order = make_order(reader.documents(), shuffle);
  return std::make_unique<ShardRows>(std::move(reader), std::move(order), format());
}

}  // namespace unfold::data
