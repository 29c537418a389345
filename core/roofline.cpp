#include "core/roofline.h"

#include <algorithm>
#include <map>

#include "core/cuda/runtime.h"
#include "core/device_clock.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/profile.h"
#include "core/tensor.h"

namespace unfold::core {
namespace {

constexpr int kBatches = 4;

// Values of 7 random bits around 0, made where they are needed: the host would take seconds.
Tensor random_matrix(std::int64_t extent, DType dtype, Device device, std::uint64_t seed) {
  const Tensor bit = Tensor::empty({extent, extent}, dtype, device);
  const Tensor x = Tensor::full({extent, extent}, -1.0, dtype, device);
  for (std::uint64_t i = 0; i < 7; ++i) {
    kernels::fill(bit, 1.0);
    kernels::dropout(bit, 0.5, seed, i, 0, bit);  // 0 or 2
    kernels::accumulate(bit, 0.5 / static_cast<double>(1 << i), x);
  }
  return x;
}

// Seconds of one call, of the fastest of several batches of `calls`, behind one call that is not
// counted.
template <typename Action>
double fastest(Device device, int calls, Action&& action) {
  action();
  DeviceClock clock(device);
  clock.mark();
  for (int batch = 0; batch < kBatches; ++batch) {
    for (int i = 0; i < calls; ++i) action();
    clock.mark();
  }
  const std::vector<double> seconds = clock.seconds();
  return *std::min_element(seconds.begin(), seconds.end()) / calls;
}

void give_back_cached(Device device) {
  if (device.type == DeviceType::cuda) cuda::release_cached(device.index);
}

}  // namespace

double Roofline::seconds(double work_flops, double work_bytes) const {
  const double arithmetic = flops > 0 ? work_flops / flops : 0;
  return std::max(arithmetic, bytes > 0 ? work_bytes / bytes : 0);
}

double measure_matmul_flops(Device device, DType dtype, std::int64_t extent) {
  const ProfilePause pause;
  if (extent == 0) extent = device.is_cpu() ? 512 : dtype == DType::bfloat16 ? 8192 : 4096;
  double seconds = 0;
  {
    const Tensor a = random_matrix(extent, dtype, device, 1);
    const Tensor b = random_matrix(extent, dtype, device, 2);
    const Tensor c = Tensor::empty({extent, extent}, dtype, device);
    // y = x w^T: the product of a layer.
    seconds = fastest(device, device.is_cpu() ? 1 : 3,
                      [&] { kernels::matmul(a, false, b, true, 1.0, 0.0, c); });
  }
  give_back_cached(device);
  const auto n = static_cast<double>(extent);
  return 2 * n * n * n / seconds;
}

double measure_copy_bytes(Device device, std::int64_t bytes) {
  const ProfilePause pause;
  if (bytes == 0) bytes = std::int64_t{1} << (device.is_cpu() ? 26 : 29);
  double seconds = 0;
  {
    const Tensor from = Tensor::zeros({bytes / 4}, DType::float32, device);
    const Tensor to = Tensor::zeros({bytes / 4}, DType::float32, device);
    seconds = fastest(device, device.is_cpu() ? 1 : 5, [&] { kernels::copy(from, to); });
  }
  give_back_cached(device);
  return 2 * static_cast<double>(bytes / 4 * 4) / seconds;
}

Roofline measure_roofline(Device device, DType dtype) {
  return {measure_matmul_flops(device, dtype), measure_copy_bytes(device)};
}

std::optional<Datasheet> datasheet_of(const std::string& device_name) {
  static const std::map<std::string, Datasheet> kSheets = {
      {"NVIDIA A100-SXM4-40GB", {312e12, 19.5e12, 1555e9}},
      {"NVIDIA A100-PCIE-40GB", {312e12, 19.5e12, 1555e9}},
      {"NVIDIA A100-SXM4-80GB", {312e12, 19.5e12, 2039e9}},
      {"NVIDIA A100 80GB PCIe", {312e12, 19.5e12, 1935e9}},
      {"NVIDIA H100 80GB HBM3", {989e12, 67e12, 3350e9}},
      {"NVIDIA H100 PCIe", {756e12, 51e12, 2000e9}},
      {"NVIDIA H100 NVL", {835e12, 60e12, 3900e9}},
      {"NVIDIA H200", {989e12, 67e12, 4800e9}},
      {"NVIDIA H200 NVL", {835e12, 60e12, 4800e9}},
  };
  const auto found = kSheets.find(device_name);
  if (found == kSheets.end()) return std::nullopt;
  return found->second;
}

}  // namespace unfold::core
