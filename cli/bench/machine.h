// What the figures of a bench were measured on.
#pragma once

#include <string>

#include "core/device.h"

namespace unfold::cli::bench {

// "AMD EPYC 7763, 8 threads"; for a GPU "NVIDIA H200; AMD EPYC 7763, 8 threads".
std::string machine(core::Device device = {});

}  // namespace unfold::cli::bench
