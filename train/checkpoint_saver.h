// Saves checkpoints of a run of any number of ranks, at once or in the background.
//
// Rank 0 writes. Of a sharded optimizer it collects one tensor after the other from the ranks, so
// that no rank ever has more than one whole tensor besides its own shares. In the background
// (checkpoint.async) a thread copies all tensors to host memory first, while the next step computes
// its gradients; the update, which would change them, waits until that is done. Then it writes.
#pragma once

#include <filesystem>
#include <memory>

#include "core/comm/communicator.h"
#include "core/comm/work_queue.h"
#include "train/run_checkpoint.h"

namespace unfold::train {

class CheckpointSaver {
 public:
  // Collective. All must outlive it.
  CheckpointSaver(std::filesystem::path run, const models::ModelDescription& description,
                  const AdamW& optimizer, core::Communicator& world,
                  const CheckpointConfig& config);
  ~CheckpointSaver();  // finishes what was begun

  // Saves the state after `state.step`, unless that has been saved; best: marks it as the best one;
  // then removes what checkpoint.keep leaves over. Collective. Throws core::UserError as
  // save_checkpoint() does; in the background, the next call of any function here does.
  void save(const TrainerState& state, bool best);
  // Call before parameters or optimizer change.
  void before_update();
  // Waits until everything is on the disk.
  void finish();

  // The step that was last given to save(); -1: none.
  std::int64_t saved_step() const { return saved_step_; }
  void set_saved_step(std::int64_t step) { saved_step_ = step; }
  // Seconds that training waited in save() and before_update() so far.
  double waited_seconds() const { return waited_; }

 private:
  struct Copies;

  core::Device device() const;
  core::Tensor whole_tensor(const Copies& copies, std::size_t state, StatePart part) const;
  void give_shares(const Copies& copies) const;
  void write(const CheckpointContent& content, const StateTensor& tensor, bool best) const;
  void save_now(const CheckpointContent& content, bool best);
  void save_later(const CheckpointContent& content, bool best);
  void mark_best(const CheckpointContent& content, bool best) const;
  void wait(std::int64_t work);

  std::filesystem::path run_;
  const models::ModelDescription& description_;
  const AdamW& optimizer_;
  core::Communicator& world_;
  CheckpointConfig config_;
  std::unique_ptr<core::Channel> channel_;  // to collect shares
  std::int64_t saved_step_ = -1;
  std::int64_t copied_ = 0;  // work of the queue behind which tensors may change
  std::int64_t given_ = 0;   // the last work of the queue
  double waited_ = 0;
  std::unique_ptr<core::WorkQueue> queue_;  // last: its thread uses all of the above
};

}  // namespace unfold::train
