// Walks the endless row sequence of a loader (data/loader.h), one row at a time, with random
// access.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "data/loader.h"
#include "data/row_format.h"
#include "data/shard_rows.h"

namespace unfold::data {

class RowCursor {
 public:
  RowCursor(std::vector<std::filesystem::path> shards, RowFormat format, LoaderState state);
  RowCursor(const RowCursor&) = delete;
  RowCursor& operator=(const RowCursor&) = delete;

  // Moves on over one row, adding it to the batch if there is one.
  // Throws core::UserError when a shard cannot be read or the state points behind its rows.
  void advance(BatchBuilder* batch);
  // Continues at another place of the sequence.
  void seek(const LoaderState& state);

  const LoaderState& state() const { return state_; }
  const RowFormat& format() const { return format_; }

 private:
  struct Opened {
    std::int64_t epoch, shard;
    std::uint64_t seed;
    ShardRows rows;
  };

  ShardRows& open();

  std::vector<std::filesystem::path> shards_;
  RowFormat format_;
  LoaderState state_;
  std::optional<Opened> opened_;  // the shard of the state, kept while rows of it are read
};

}  // namespace unfold::data
