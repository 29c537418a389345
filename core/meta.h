// Which device a plan on meta is for. Some ops keep less on a GPU, where making a tensor again
// costs little against the memory it takes; so what a step needs depends on the device it will run
// on.
#pragma once

#include "core/device.h"

namespace unfold::core {

// The meta device that stands for a CPU (index 0) or for a GPU (index 1). All meta devices share
// one account of memory.
constexpr Device meta_for(Device real) {
  return {DeviceType::meta, real.type == DeviceType::cuda ? 1 : 0};
}

// A GPU, or meta that stands for one.
constexpr bool like_gpu(Device device) {
  return device.type == DeviceType::cuda || (device.type == DeviceType::meta && device.index == 1);
}

}  // namespace unfold::core
