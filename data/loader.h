// Loader: packed rows of documents in an order that is a pure function of four integers.
//
// Epoch e visits the shards in a permutation of (seed, e); a shard's documents come in a
// permutation of (seed, e, shard) and are packed into rows (data/shard_rows.h). Rows of all epochs
// form one endless sequence that does not depend on the number of ranks, of threads, or of rows
// asked for at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "data/batch.h"
#include "data/row_format.h"

namespace unfold::data {

// The next row of the sequence. Stored in checkpoints.
struct LoaderState {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::int64_t shard = 0;  // position in the epoch's order of shards
  std::int64_t index = 0;  // row within the shard; may equal its number of rows

  bool operator==(const LoaderState&) const = default;
};

class Loader {
 public:
  // Opens every shard once: a missing or damaged shard, or one of another tokenizer, is a
  // core::UserError now and not hours later. `state` must belong to the same shards and format.
  // prefetch: batches prepared ahead by a thread; 0: none (also when HDF5 is not thread-safe).
  Loader(std::vector<std::filesystem::path> shards, RowFormat format, LoaderState state,
         std::int64_t prefetch = 2);
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  // The next `rows` rows of the sequence.
  Batch next(std::int64_t rows);
  // One rank's part: the sequence advances by total_rows, the batch holds rows
  // [first, first + count) of them. All ranks together see every row once.
  // Prefetching assumes that calls repeat their arguments; a change costs what was prepared.
  Batch next(std::int64_t total_rows, std::int64_t first, std::int64_t count);

  // State behind the last delivered batch: a loader made with it continues exactly there.
  LoaderState state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The first `rows` rows of the shards in their own order, unshuffled, in batches of at most
// batch_rows: the same rows at every validation. Fewer when the shards hold fewer.
std::vector<Batch> validation_batches(const std::vector<std::filesystem::path>& shards,
                                      const RowFormat& format, std::int64_t rows,
                                      std::int64_t batch_rows);

}  // namespace unfold::data
