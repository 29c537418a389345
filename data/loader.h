// Loader: packed rows of documents in an order that is a pure function of four integers.
//
// Epoch e visits the shards in a permutation of (seed, e); a shard's documents, long ones in pieces
// (data/shard_rows.h), come in a permutation of (seed, e, shard) and are packed into rows. Rows of
// all epochs form one endless sequence that does not depend on the number of ranks, of threads, or
// of rows asked for at a time.
// Without shuffling every epoch visits the shards and their documents as they are given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "data/batch_source.h"
#include "data/row_format.h"
#include "data/row_shards.h"

namespace unfold::data {

struct LoaderOptions {
  // Batches prepared ahead by a thread; 0: none (also when the shards are not thread-safe).
  std::int64_t prefetch = 2;
  bool shuffle = true;  // false: shards and documents in the order given
};

class Loader final : public BatchSource {
 public:
  // `state` must belong to the same shards, format and shuffling.
  Loader(std::unique_ptr<RowShards> shards, const LoaderState& state, const LoaderOptions& options);
  // Token shards (data/shard_rows.h).
  Loader(std::vector<std::filesystem::path> shards, RowFormat format, LoaderState state,
         std::int64_t prefetch = 2);
  ~Loader() override;
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  using BatchSource::next;
  // Prefetching assumes that calls repeat their arguments; a change costs what was prepared.
  Batch next(std::int64_t total_rows, std::int64_t first, std::int64_t count) override;
  LoaderState state() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The first `rows` rows of the shards in their own order, unshuffled, in batches of at most
// batch_rows: the same rows at every validation. Fewer when the shards hold fewer.
std::vector<Batch> validation_batches(RowShards& shards, std::int64_t rows,
                                      std::int64_t batch_rows);
// Of token shards.
std::vector<Batch> validation_batches(const std::vector<std::filesystem::path>& shards,
                                      const RowFormat& format, std::int64_t rows,
                                      std::int64_t batch_rows);

}  // namespace unfold::data
