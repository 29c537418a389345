#include "data/row_cursor.h"

#include "core/error.h"
#include "data/counter_random.h"

namespace unfold::data {

namespace {

constexpr std::string_view kTag = "loader";

// Keeps the two permutations apart.
enum Stream : std::uint64_t { kShardOrder = 1, kDocumentOrder = 2 };

}  // namespace

RowCursor::RowCursor(std::unique_ptr<RowShards> shards, const LoaderState& state, bool shuffle)
    : shards_(std::move(shards)), shuffle_(shuffle) {
  core::check(
      format().gist.rule != gsa::InsertionRule::word ||
          static_cast<std::int64_t>(format().starts_word.size()) == format().vocab.vocab_size,
      kTag, "word table of {} entries for a vocabulary of {}", format().starts_word.size(),
      format().vocab.vocab_size);
  seek(state);
}

void RowCursor::seek(const LoaderState& state) {
  const std::int64_t shards = shards_->count();
  core::require(state.epoch >= 0 && state.shard >= 0 && state.shard < shards && state.index >= 0,
                kTag,
                "state (epoch {}, shard {}, row {}) does not belong to these {} shards: resume "
                "with the data the run was started with",
                state.epoch, state.shard, state.index, shards);
  state_ = state;
}

RowSequence& RowCursor::open() {
  if (opened_ && opened_->seed == state_.seed && opened_->epoch == state_.epoch &&
      opened_->shard == state_.shard) {
    return *opened_->rows;
  }
  opened_.reset();  // before the next one is opened: one shard's cache in memory, not two
  const auto seed = state_.seed;
  const auto epoch = static_cast<std::uint64_t>(state_.epoch);
  std::optional<CounterRandom> shards;
  if (shuffle_) shards = CounterRandom{seed, kShardOrder, epoch};
  const std::int64_t which =
      make_order(shards_->count(), shards)[static_cast<std::size_t>(state_.shard)];
  std::optional<CounterRandom> documents;
  if (shuffle_) {
    documents = CounterRandom{seed, kDocumentOrder, epoch, static_cast<std::uint64_t>(which)};
  }
  opened_.emplace(Opened{state_.epoch, state_.shard, seed, shards_->open(which, documents)});
  return *opened_->rows;
}

void RowCursor::advance(BatchBuilder* batch) {
  RowSequence* rows = &open();
  if (!rows->has_row(state_.index)) {
    core::require(state_.index == 0 || rows->has_row(state_.index - 1), kTag,
                  "{}: has no row {}: resume with the data and the row length the run was started "
                  "with",
                  rows->path().string(), state_.index);
    state_.index = 0;
    if (++state_.shard == shards_->count()) {
      state_.shard = 0;
      ++state_.epoch;
    }
    rows = &open();
  }
  // Every shard has a row: no epoch is empty.
  core::check(rows->has_row(state_.index), kTag, "{}: has no row", rows->path().string());
  if (batch != nullptr) rows->add_row(state_.index, *batch);
  ++state_.index;
}

}  // namespace unfold::data
