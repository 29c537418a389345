// What a loader reads: shards, each a sequence of rows once the order of its documents is chosen.
// Token shards (data/shard_rows.h) and files of records (data/records/record_rows.h) are such.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "data/counter_random.h"
#include "data/row_format.h"

namespace unfold::data {

// The rows of one shard, its documents packed in one order.
class RowSequence {
 public:
  virtual ~RowSequence() = default;

  // Whether there is a row `index`. Row starts may be found as far as asked for and kept.
  virtual bool has_row(std::int64_t index) = 0;
  // Adds row `index`, which must exist, to the batch.
  virtual void add_row(std::int64_t index, BatchBuilder& batch) = 0;
  // The file, for messages.
  virtual const std::filesystem::path& path() const = 0;
};

class RowShards {
 public:
  explicit RowShards(RowFormat format) : format_(std::move(format)) {}
  virtual ~RowShards() = default;
  RowShards(const RowShards&) = delete;
  RowShards& operator=(const RowShards&) = delete;

  // At least one; every shard has at least one row.
  virtual std::int64_t count() const = 0;
  // The rows of one shard; they must not outlive this object. shuffle: the stream that permutes its
  // documents; none: they come as they stand in the file.
  virtual std::unique_ptr<RowSequence> open(std::int64_t shard,
                                            const std::optional<CounterRandom>& shuffle) = 0;
  // Whether one thread may read rows while another uses HDF5 for something else.
  virtual bool thread_safe() const = 0;

  const RowFormat& format() const { return format_; }

 private:
  RowFormat format_;
};

// 0 .. n-1, permuted when there is a stream.
std::vector<std::int64_t> make_order(std::int64_t n, std::optional<CounterRandom> shuffle);

}  // namespace unfold::data
