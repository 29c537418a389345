#include "train/checkpoint_saver.h"

#include <chrono>
#include <map>
#include <span>
#include <utility>

#include "core/cuda/runtime.h"
#include "core/cuda/side_stream.h"
#include "core/hdf5_tensor.h"
#include "core/log.h"
#include "core/memory.h"

namespace unfold::train {

using core::Tensor;

namespace {

std::span<std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.raw()), tensor.bytes()};
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

// Copies from a device by a stream of its own, behind the work that the device had when it was
// made.
struct CheckpointSaver::Copies {
  std::unique_ptr<core::cuda::SideStream> stream;
  std::map<std::pair<std::size_t, StatePart>, Tensor> tensors;

  explicit Copies(core::Device device) {
    if (device.type != core::DeviceType::cuda) return;
    stream = std::make_unique<core::cuda::SideStream>(device.index);
    const std::unique_ptr<void, void (*)(void*)> mark(core::cuda::mark(device.index),
                                                      core::cuda::release_mark);
    stream->wait_for(mark.get());
  }
  // `to` on the host, as large as `from`.
  void copy(const Tensor& from, void* to) const {
    if (from.bytes() == 0) return;
    if (stream) {
      stream->copy_to_host(to, from.raw(), from.bytes());
    } else {
      core::copy_bytes({}, to, from.device(), from.raw(), from.bytes());
    }
  }
};

CheckpointSaver::CheckpointSaver(std::filesystem::path run,
                                 const models::ModelDescription& description,
                                 const AdamW& optimizer, core::Communicator& world,
                                 const CheckpointConfig& config)
    : run_(std::move(run)),
      description_(description),
      optimizer_(optimizer),
      world_(world),
      config_(config) {
  if (config_.background && !core::hdf5::is_thread_safe()) {
    core::log::warning(
        "checkpoint.async: this HDF5 may be used by one thread alone: saving stops training");
    config_.background = false;
  }
  if (optimizer_.sharding().on && world_.world_size() > 1) channel_ = world_.open_channel();
  if (config_.background) queue_ = std::make_unique<core::WorkQueue>();
}

CheckpointSaver::~CheckpointSaver() = default;

core::Device CheckpointSaver::device() const {
  return optimizer_.states().front().parameter.value().device();
}

void CheckpointSaver::save(const TrainerState& state, bool best) {
  const bool again = saved_step_ == state.step;
  if (again && !best) return;
  const auto begin = std::chrono::steady_clock::now();
  finish();  // of the save before
  const CheckpointContent content = describe_checkpoint(description_, optimizer_, state);
  if (again) {
    mark_best(content, best);
  } else if (config_.background) {
    save_later(content, best);
  } else {
    save_now(content, best);
  }
  saved_step_ = state.step;
  waited_ += seconds_since(begin);
}

void CheckpointSaver::save_now(const CheckpointContent& content, bool best) {
  const core::LongWork busy(world_, "saving a checkpoint");
  const Copies copies(device());
  if (world_.is_root()) {
    write(
        content, [&](std::size_t i, StatePart part) { return whole_tensor(copies, i, part); },
        best);
  } else if (channel_) {
    give_shares(copies);
  }
}

void CheckpointSaver::save_later(const CheckpointContent& content, bool best) {
  if (!world_.is_root() && !channel_) return;
  const auto copies = std::make_shared<Copies>(device());
  const auto begin = std::chrono::steady_clock::now();
  copied_ = given_ = queue_->give([this, copies] {
    if (!world_.is_root()) return give_shares(*copies);
    for_each_state_tensor(optimizer_.states().size(), [&](std::size_t i, StatePart part) {
      if (channel_) {
        copies->tensors[{i, part}] = whole_tensor(*copies, i, part);
        return;
      }
      const Tensor from = state_tensor(optimizer_.states()[i], part);
      const Tensor to = Tensor::empty(from.shape(), from.dtype());
      copies->copy(from, to.raw());
      copies->tensors[{i, part}] = to;
    });
  });
  if (!world_.is_root()) return;
  given_ = queue_->give([this, copies, content, best, begin] {
    write(
        content,
        [&](std::size_t i, StatePart part) {
          return std::exchange(copies->tensors.at({i, part}), Tensor());
        },
        best);
    core::log::debug("step {} was saved in {:.3f} s, in the background", content.state.step,
                     seconds_since(begin));
  });
}

// Shares come together at rank 0, on the host.
Tensor CheckpointSaver::whole_tensor(const Copies& copies, std::size_t index,
                                     StatePart part) const {
  const AdamW::State& state = optimizer_.states()[index];
  const Tensor own = state_tensor(state, part);
  if (!optimizer_.sharding().on) return own;
  const Tensor whole = Tensor::empty(state.parameter.shape(), own.dtype());
  const Tensor flat = whole.reshape({-1});
  if (own.size() > 0) copies.copy(own, flat.slice(0, state.share.begin, state.share.end).raw());
  for (int rank = 1; rank < world_.world_size(); ++rank) {
    const core::Share share = core::share_of(flat.size(), rank, world_.world_size());
    if (share.size() == 0) continue;
    channel_->receive(rank, bytes_of(flat.slice(0, share.begin, share.end)));
  }
  return whole;
}

void CheckpointSaver::give_shares(const Copies& copies) const {
  for_each_state_tensor(optimizer_.states().size(), [&](std::size_t i, StatePart part) {
    const Tensor own = state_tensor(optimizer_.states()[i], part);
    if (own.size() == 0) return;
    const Tensor host = Tensor::empty(own.shape(), own.dtype());
    copies.copy(own, host.raw());
    channel_->send(0, bytes_of(host));
  });
}

void CheckpointSaver::write(const CheckpointContent& content, const StateTensor& tensor,
                            bool best) const {
  save_checkpoint(run_, content, tensor);
  mark_best(content, best);
}

void CheckpointSaver::mark_best(const CheckpointContent& content, bool best) const {
  if (!world_.is_root()) return;
  if (best) models::write_best(run_, content.state.best);
  models::prune_checkpoints(run_, config_.keep);
}

void CheckpointSaver::wait(std::int64_t work) {
  if (!queue_ || work == 0) return;
  const core::LongWork busy(world_, "saving a checkpoint");
  queue_->wait(work);
}

void CheckpointSaver::before_update() {
  if (!queue_) return;
  const auto begin = std::chrono::steady_clock::now();
  queue_->check();
  wait(std::exchange(copied_, 0));
  waited_ += seconds_since(begin);
}

void CheckpointSaver::finish() {
  wait(given_);
}

}  // namespace unfold::train
