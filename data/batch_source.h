// BatchSource: an endless sequence of rows, handed out in batches.
#pragma once

#include <cstdint>

#include "data/batch.h"

namespace unfold::data {

// The next row of the sequence. Stored in checkpoints.
struct LoaderState {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::int64_t shard = 0;  // position in the epoch's order of shards
  std::int64_t index = 0;  // row within the shard; may equal its number of rows

  bool operator==(const LoaderState&) const = default;
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // The next `rows` rows of the sequence.
  Batch next(std::int64_t rows) { return next(rows, 0, rows); }
  // One rank's part: the sequence advances by total_rows, the batch holds rows
  // [first, first + count) of them, which may be none. All ranks together see every row once.
  virtual Batch next(std::int64_t total_rows, std::int64_t first, std::int64_t count) = 0;

  // State behind the last delivered batch: a source made with it continues exactly there.
  virtual LoaderState state() const = 0;
};

}  // namespace unfold::data
