// What a device can do at the most: measured, and as its datasheet says. A kernel is bound by one
// of two: its arithmetic over the speed of matrix products, or its bytes over the speed of memory
// (Williams, Waterman & Patterson 2009, "Roofline").
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/device.h"
#include "core/dtype.h"

namespace unfold::core {

struct Roofline {
  double flops = 0;  // a second, of matrix products
  double bytes = 0;  // a second, read and written together

  // Seconds that so much work takes at the least.
  double seconds(double work_flops, double work_bytes) const;
};

// Best of several products of square matrices of random values (which draw more power than zeros,
// so clocks are those of real work). extent 0: 8192 for bfloat16 on a GPU, 4096 for wider dtypes,
// 512 on the CPU. Takes about 50 ms on a GPU and three matrices of memory, which go back to the
// device. Throws core::UserError when they do not fit.
double measure_matmul_flops(Device device, DType dtype, std::int64_t extent = 0);

// Best of several copies of `bytes` bytes, read and written counted. 0: 512 MiB on a GPU, 64 MiB on
// the CPU; below the size of the caches the figure is theirs.
double measure_copy_bytes(Device device, std::int64_t bytes = 0);

// Both, with the sizes above.
Roofline measure_roofline(Device device, DType dtype);

// Peak rates of NVIDIA's datasheets: dense products, bfloat16 with sums in float32, and float32
// outside the tensor cores.
struct Datasheet {
  double bfloat16_flops = 0;
  double float32_flops = 0;
  double bytes = 0;  // a second
};

// By the name the driver gives the device ("NVIDIA H100 80GB HBM3"); nothing for devices that are
// not in the table, parts of a device (MIG) among them.
std::optional<Datasheet> datasheet_of(const std::string& device_name);

}  // namespace unfold::core
