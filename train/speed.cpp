#include "train/speed.h"

namespace unfold::train {

double model_flops(const Plan& plan) {
  return plan.forward.total() + plan.backward.total();
}

double mfu(const Plan& plan, double seconds, double peak) {
  return seconds > 0 && peak > 0 ? model_flops(plan) / seconds / peak : 0;
}

double speed_of_light(const Plan& plan, core::DType dtype, const core::Roofline& roofline) {
  const auto wide = static_cast<double>(core::size_of(core::accumulator_of(dtype)));
  const auto own = static_cast<double>(core::size_of(dtype));
  // Masters and moments are read and written, gradients written by the backward pass and read;
  // parameters are their own masters unless they are rounded.
  const double bytes = 3 * 2 * wide + 2 * wide + (own < wide ? own : 0);
  return roofline.seconds(model_flops(plan), 0) +
         roofline.seconds(0, bytes * static_cast<double>(plan.parameters.total()));
}

}  // namespace unfold::train
