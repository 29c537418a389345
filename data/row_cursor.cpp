#include "data/row_cursor.h"

#include <numeric>

#include "core/error.h"
#include "data/counter_random.h"

namespace unfold::data {

namespace {

constexpr std::string_view kTag = "loader";

// Keeps the two permutations apart.
enum Stream : std::uint64_t { kShardOrder = 1, kDocumentOrder = 2 };

std::vector<std::int64_t> permutation(std::int64_t n, CounterRandom random) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  random.shuffle(std::span(order));
  return order;
}

}  // namespace

RowCursor::RowCursor(std::vector<std::filesystem::path> shards, RowFormat format, LoaderState state)
    : shards_(std::move(shards)), format_(std::move(format)) {
  core::check(format_.gist.rule != gsa::InsertionRule::word ||
                  static_cast<std::int64_t>(format_.starts_word.size()) == format_.vocab.vocab_size,
              kTag, "word table of {} entries for a vocabulary of {}", format_.starts_word.size(),
              format_.vocab.vocab_size);
  seek(state);
}

void RowCursor::seek(const LoaderState& state) {
  const auto shards = static_cast<std::int64_t>(shards_.size());
  core::require(state.epoch >= 0 && state.shard >= 0 && state.shard < shards && state.index >= 0,
                kTag,
                "state (epoch {}, shard {}, row {}) does not belong to these {} shards: resume "
                "with the data the run was started with",
                state.epoch, state.shard, state.index, shards);
  state_ = state;
}

ShardRows& RowCursor::open() {
  if (opened_ && opened_->seed == state_.seed && opened_->epoch == state_.epoch &&
      opened_->shard == state_.shard) {
    return opened_->rows;
  }
  opened_.reset();  // before the next one is opened: one shard's cache in memory, not two
  const auto seed = state_.seed;
  const auto epoch = static_cast<std::uint64_t>(state_.epoch);
  const auto order = permutation(static_cast<std::int64_t>(shards_.size()),
                                 CounterRandom{seed, kShardOrder, epoch});
  const std::int64_t which = order[static_cast<std::size_t>(state_.shard)];
  ShardReader reader(shards_[static_cast<std::size_t>(which)], format_.vocab.fingerprint);
  auto documents =
      permutation(reader.documents(),
                  CounterRandom{seed, kDocumentOrder, epoch, static_cast<std::uint64_t>(which)});
  opened_.emplace(Opened{state_.epoch, state_.shard, seed,
                         ShardRows(std::move(reader), std::move(documents), format_)});
  return opened_->rows;
}

void RowCursor::advance(BatchBuilder* batch) {
  ShardRows* rows = &open();
  if (!rows->has_row(state_.index)) {
    core::require(state_.index == 0 || rows->has_row(state_.index - 1), kTag,
                  "{}: has no row {}: resume with the data and the row length the run was started "
                  "with",
                  rows->reader().path().string(), state_.index);
    state_.index = 0;
    if (++state_.shard == static_cast<std::int64_t>(shards_.size())) {
      state_.shard = 0;
      ++state_.epoch;
    }
    rows = &open();
  }
  // Every shard holds a token (the reader insists), hence a row: no epoch is empty.
  core::check(rows->has_row(state_.index), kTag, "{}: has no row", rows->reader().path().string());
  if (batch != nullptr) rows->add_row(state_.index, *batch);
  ++state_.index;
}

}  // namespace unfold::data
