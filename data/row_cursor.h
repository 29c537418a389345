// Walks the endless row sequence of a loader (data/loader.h), one row at a time, with random
// access.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "data/batch_source.h"
#include "data/row_format.h"
#include "data/row_shards.h"

namespace unfold::data {

class RowCursor {
 public:
  RowCursor(std::unique_ptr<RowShards> shards, const LoaderState& state, bool shuffle);
  RowCursor(const RowCursor&) = delete;
  RowCursor& operator=(const RowCursor&) = delete;

  // Moves on over one row, adding it to the batch if there is one.
  // Throws core::UserError when a shard cannot be read or the state points behind its rows.
  void advance(BatchBuilder* batch);
  // Continues at another place of the sequence.
  void seek(const LoaderState& state);

  const LoaderState& state() const { return state_; }
  const RowFormat& format() const { return shards_->format(); }

 private:
  struct Opened {
    std::int64_t epoch, shard;
    std::uint64_t seed;
    std::unique_ptr<RowSequence> rows;
  };

  RowSequence& open();

  std::unique_ptr<RowShards> shards_;
  bool shuffle_;
  LoaderState state_;
  std::optional<Opened> opened_;  // the shard of the state, kept while rows of it are read
};

}  // namespace unfold::data
