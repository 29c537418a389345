// Parameter update.
#pragma once

#include "core/kernels/kernel.h"

namespace unfold::core::kernels {

struct AdamWStep {
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;    // decoupled: master -= lr * weight_decay * master
  std::int64_t step = 1;      // 1 for the first update (bias correction)
  double gradient_scale = 1;  // gradients are multiplied by this first (clipping, averaging)
};

// AdamW (Loshchilov & Hutter 2019). master, m, v: float32 (float64 for a float64 parameter);
// gradient: the dtype of the parameter or of the master (autograd collects the gradients of
// bfloat16 leaves in float32). parameter = rounded master; may be the same tensor as master.
UNFOLD_KERNEL(adamw, const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
              const Tensor& parameter, const AdamWStep& step);

}  // namespace unfold::core::kernels
