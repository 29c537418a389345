// Parameter update.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

struct AdamWStep {
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  // decoupled: master -= lr * weight_decay * master
  std::int64_t step = 1;    // 1 for the first update (bias correction)
  // Of the stochastic rounding of bfloat16 moments: element i of m and v takes the low and the high
  // half of word i % 4 of philox(seed, stream, i / 4) (core/random.h).
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  // Where the tensors are a part of a parameter: the element it begins with, a multiple of 4, so
  // that elements round alike in parts and in one.
  std::uint64_t first = 0;
};

// AdamW (Loshchilov & Hutter 2019). master, m, v: float32 (float64 for a float64 parameter);
// gradient: the dtype of the parameter or of the master (autograd collects the gradients of
// bfloat16 leaves in float32), multiplied by gradient_scale first (clipping, averaging).
// parameter = rounded master; may be the same tensor as master.
//
// The moments of a float32 or bfloat16 parameter may both be bfloat16: they are computed in float32
// as always, used, and stored with stochastic rounding (core/stochastic_rounding.h). Every device
// gives the same bits then.
UNFOLD_KERNEL(adamw, const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
              const Tensor& parameter, const AdamWStep& step, double gradient_scale);

// The arguments of adamw for one parameter of many. The gradient may be undefined: zeros.
struct AdamWUpdate {
  Tensor master, gradient, m, v, parameter;
  AdamWStep step;
  Device device() const { return parameter.device(); }
};
// The updates of many parameters, at least one, of one dtype, whose moments have one dtype and
// whose gradients have one. On a GPU one launch does it all, from tables that can be there before
// the gradients' norm is known: nothing then stands between reading that and the launch.
struct AdamWLaunch {
  std::vector<AdamWUpdate> updates;
  Tensor table, first;      // on a GPU, of adamw_lay_out
  std::int64_t chunks = 0;  // of the launch
  Device device() const { return updates.front().device(); }
};
UNFOLD_KERNEL(adamw_lay_out, AdamWLaunch& launch);
// Of a launch that is laid out.
UNFOLD_KERNEL(adamw_all, const AdamWLaunch& launch, double gradient_scale);

}  // namespace unfold::core::kernels
