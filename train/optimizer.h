// AdamW over the parameters of a decoder, with float32 masters for bfloat16 parameters. The moments
// have the masters' dtype, or are bfloat16 (optimizer.state_dtype): half the memory, computed in
// float32, and stored with a rounding that is right on average.
//
// Sharded (ZeRO-1), a rank keeps masters and moments of its share of every parameter
// (core/comm/share.h) and updates that share alone. Then gradients come summed and cut to shares,
// and parameters have to be spread afterwards: train/data_parallel.h does both.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/comm/share.h"
#include "core/kernels/optimizer.h"
#include "models/decoder.h"
#include "train/train_config.h"

namespace unfold::train {

struct Sharding {
  bool on = false;
  int rank = 0;
  int world_size = 1;
};
// Of train.zero1: a process by itself has nobody to share with.
inline Sharding sharding_of(bool zero1, int rank, int world_size) {
  return {zero1 && world_size > 1, rank, world_size};
}

class AdamW {
 public:
  // State of one parameter. Without rounding (float32, float64 parameters) the master is the
  // parameter itself. Sharded: master, m and v are flat, of the elements in `share`.
  struct State {
    std::string name;
    autograd::Variable parameter;
    core::Tensor master;
    core::Tensor m;
    core::Tensor v;
    bool decay = false;
    double lr_multiple = 1;
    core::Share share;
    core::Tensor gradient;  // sharded: summed over the ranks, of the share; undefined: none

    // The part of the parameter that this state updates.
    core::Tensor part() const;
  };

  // seed: of the rounding of bfloat16 moments, which is a function of (seed, step, parameter,
  // element): a run that resumes, and every device and rank, rounds alike.
  AdamW(const models::Decoder& decoder, const OptimizerConfig& config, std::uint64_t seed = 0,
        const Sharding& sharding = {});

  // Squared norm over this rank's shares of the gradients, sharded or not: ranks add theirs up. A
  // parameter without a gradient counts as 0. A float64 scalar on the parameters' device: reading
  // it is left to the caller.
  core::Tensor squared_gradient_norm() const;
  // The next update, in parts: each is an index list of states, and all parts together are all
  // states. What of it does not depend on gradient_scale is prepared at once, so that a device has
  // it before the norm of its gradients can be read. The gradients must be those of the update:
  // their tensors, if not yet their values.
  void prepare(double lr, const std::vector<std::vector<std::size_t>>& parts);
  void prepare(double lr);  // in one part
  // One update of what is prepared, with gradients multiplied by gradient_scale, which are cleared.
  void step(double gradient_scale);
  // The same part by part: update() of each, then end_step().
  void update(std::size_t part, double gradient_scale);
  void end_step();
  // Throws the gradients away.
  void clear_gradients();

  const Sharding& sharding() const { return sharding_; }
  std::int64_t steps_done() const { return steps_done_; }
  // Of all moments; float32 when there are none.
  core::DType state_dtype() const;
  // For checkpoints: the state by parameter, in table order, tied parameters once.
  const std::vector<State>& states() const { return states_; }
  // For the one who reduces gradients.
  std::vector<State>& states() { return states_; }
  // Gives a parameter's master the values of the whole parameter, which may be wider than it is.
  void set_master(std::string_view name, const core::Tensor& value);
  // After the masters were loaded: rounds them into the parameters and continues at that step.
  void restored(std::int64_t steps_done);

 private:
  core::Tensor gradient_of(const State& state) const;

  OptimizerConfig config_;
  std::uint64_t seed_ = 0;
  Sharding sharding_;
  std::vector<State> states_;
  std::int64_t steps_done_ = 0;
  std::vector<std::vector<core::kernels::AdamWLaunch>> prepared_;  // a part: one a gradient dtype
};

}  // namespace unfold::train
