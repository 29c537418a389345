// The few calls of the CUDA runtime that core needs. runtime.cu implements them; a build without
// CUDA links runtime_stub.cpp, which reports no devices and throws on everything else.
#pragma once

#include <cstddef>
#include <string>

#include "core/device.h"

namespace unfold::core::cuda {

int device_count();
// "2 GPUs: NVIDIA H100 80GB HBM3 (sm_90, 79.1 GiB), ..." or the reason why there are none.
std::string describe();

// nullptr when the device is out of memory; throws core::UserError for any other failure.
void* allocate(int device, std::size_t bytes);
void release(int device, void* pointer) noexcept;
void copy(Device to_device, void* to, Device from_device, const void* from, std::size_t bytes);

}  // namespace unfold::core::cuda
