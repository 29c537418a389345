// Data parallelism: gradients summed over ranks while the backward pass runs.
//
// Parameters are taken from the last to the first, in buckets of about 32 MiB (small models: a
// sixteenth of all), or of train.bucket_mib; the last one, which has to wait, is half as large.
// When the gradients of a bucket are complete (leaf hooks of autograd), its sum is started, beside
// the rest of the backward pass; where links are fast the first ones wait (train/burst.h). The
// embedding comes first: what a tied head adds to it is complete at once, and what lookups add, at
// the end, follows as rows where that is less (train/lookup_rows.h).
//
// With a sharded optimizer (ZeRO-1) every rank gets the sum of its share alone, and gives the share
// of the parameters it updated to all others: bucket by bucket in the order in which a forward pass
// reads them, beside the next step's forward pass, which waits for each where it begins to read it
// (await()). In between, parameters are not whole: settle() before anybody else reads them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "autograd/variable.h"
#include "core/comm/communicator.h"
#include "train/lookup_rows.h"
#include "train/optimizer.h"

namespace unfold::train {

class DataParallel {
 public:
  // optimizer and world must outlive it. Sets leaf hooks.
  DataParallel(AdamW& optimizer, core::Communicator& world, const TrainConfig& config);
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  // The backward pass that follows is the last one of the step: its gradients are complete.
  void begin();
  // Starts what is left. From now on the device sees the sums over all ranks as gradients of the
  // optimizer. A parameter without a gradient counts as 0.
  void finish();
  // AdamW::prepare, in the parts that step() takes.
  void prepare(double lr);
  // The optimizer's step, of what is prepared. Sharded: begins to spread the parameters. What the
  // next forward pass reads first is updated first, and spread while the rest is updated.
  void step(double gradient_scale);
  // What the device does from now on sees these parameters whole. For ForwardOptions::before_use of
  // every forward pass of training.
  void await(const std::vector<autograd::Variable>& parameters);
  // The same of all parameters. All ranks call it between the same steps.
  void settle();

 private:
  struct Flight {
    std::size_t bucket = 0;
    core::Communicator::Ticket ticket = 0;
    std::vector<core::Tensor> sent;
    std::vector<core::Tensor> mine;  // sharded
  };

  // The embedding, when its lookups are exchanged as rows.
  struct Table {
    std::size_t state = 0;
    LookupRows rows;
    core::Tensor gradient;  // the rows of the table that hold this rank's share, or all of them
    std::int64_t first = 0;
  };

  void find_table(const TrainConfig& config);
  void halve_last(const std::function<std::size_t(std::size_t)>& bytes_of);
  void hold_back(std::int64_t positions, const std::function<std::size_t(std::size_t)>& bytes_of);
  void plan_gathers();
  void complete(std::size_t state);
  bool sends_copies() const;
  // Where the sum of a state's share goes: of the table, a part of whole rows.
  core::Tensor empty_share(std::size_t state, core::DType dtype);
  void start_bucket();
  // The same, and says before whether the device has other work while the sum runs: of a bucket,
  // not of a rank, since ranks have to agree.
  void start_next();
  void land();  // the oldest flight
  void start_gather();
  void await_gather(std::size_t place);

  AdamW& optimizer_;
  core::Communicator& world_;
  core::DType reduce_dtype_;
  bool overlap_;
  std::vector<std::vector<std::size_t>> buckets_;  // indices of states
  std::vector<bool> complete_;                     // by state
  std::size_t held_ = 0;   // buckets that are complete before the first is started
  std::size_t ready_ = 0;  // buckets that are complete
  std::size_t next_ = 0;   // bucket to be started
  bool active_ = false;
  std::optional<Table> table_;
  std::deque<Flight> flights_;

  // Sharded: buckets in the order in which a forward pass reads them first, where in it a parameter
  // is, and the parts of the update.
  std::vector<std::size_t> gather_order_;
  std::unordered_map<const autograd::GradientSlot*, std::size_t> gather_place_;
  std::vector<std::vector<std::size_t>> parts_;  // indices of states
  // Of the last step, in that order: what was started, and how many were waited for.
  std::vector<core::Communicator::Ticket> gathers_;
  std::size_t gathered_ = 0;
};

}  // namespace unfold::train
