// AdamW over the parameters of a decoder, with float32 masters for bfloat16 parameters. The moments
// have the masters' dtype, or are bfloat16 (optimizer.state_dtype): half the memory, computed in
// float32, and stored with a rounding that is right on average.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "train/train_config.h"

namespace unfold::train {

class AdamW {
 public:
  // State of one parameter. Without rounding (float32, float64 parameters) the master is the
  // parameter itself.
  struct State {
    std::string name;
    autograd::Variable parameter;
    core::Tensor master;
    core::Tensor m;
    core::Tensor v;
    bool decay = false;
    double lr_multiple = 1;
  };

  // seed: of the rounding of bfloat16 moments, which is a function of (seed, step, parameter,
  // element): a run that resumes, and every device, rounds alike.
  AdamW(const models::Decoder& decoder, const OptimizerConfig& config, std::uint64_t seed = 0);

  // Norm over the gradients of all parameters; a parameter without a gradient counts as 0.
  double gradient_norm() const;
  // Its square, a float64 scalar on the parameters' device: reading it is left to the caller.
  core::Tensor squared_gradient_norm() const;
  // One update with gradients multiplied by gradient_scale; gradients are cleared.
  void step(double lr, double gradient_scale);
  // Throws the gradients away.
  void clear_gradients();

  std::int64_t steps_done() const { return steps_done_; }
  // Of all moments; float32 when there are none.
  core::DType state_dtype() const;
  // For checkpoints: the state by parameter, in table order, tied parameters once.
  const std::vector<State>& states() const { return states_; }
  // After the masters were loaded: rounds them into the parameters and continues at that step.
  void restored(std::int64_t steps_done);

 private:
  OptimizerConfig config_;
  std::uint64_t seed_ = 0;
  std::vector<State> states_;
  std::int64_t steps_done_ = 0;
};

}  // namespace unfold::train
