// How near a training step comes to what its device can do.
#pragma once

#include "core/dtype.h"
#include "core/roofline.h"
#include "train/plan.h"

namespace unfold::train {

// Arithmetic of the model in a step: forward and backward pass. What activation checkpointing runs
// again does not count: it is work the model does not need.
double model_flops(const Plan& plan);

// Model FLOPs utilisation (Chowdhery et al. 2022, PaLM): model_flops over what the device could do
// in the time. peak: of matrix products, FLOP/s.
double mfu(const Plan& plan, double seconds, double peak);

// Seconds a step takes at the least on a device with this roofline: the arithmetic of the model at
// the peak of matrix products, then the optimizer's state read and written once at the speed of
// memory (masters, both moments, gradients, parameters). A bound for any implementation: it leaves
// out everything between the products, which could be fused into them.
double speed_of_light(const Plan& plan, core::DType dtype, const core::Roofline& roofline);

}  // namespace unfold::train
