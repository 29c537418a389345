// How much memory a device has left for this process.
#pragma once

#include <cstdint>

#include "core/device.h"

namespace unfold::core {

// Bytes this process can have in use on the device: what is in use now (core/memory.h), what is
// cached, and what is free. On the CPU: what the system calls available. 0: not known.
std::int64_t available_memory(Device device);

}  // namespace unfold::core
