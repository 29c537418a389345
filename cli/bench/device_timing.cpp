#include "cli/bench/device_timing.h"

#include <vector>

#include "core/kernels/elementwise.h"
#include "core/random.h"

namespace unfold::cli::bench {

using core::Tensor;

Tensor random_values(const core::Shape& shape, core::DType dtype, core::Device device,
                     std::uint64_t stream) {
  // The host makes a part and the device repeats it: large tensors would take the host seconds. No
  // row of a matrix is the same as the next.
  constexpr std::int64_t kPattern = 250'007;
  const std::int64_t size = core::element_count(shape);
  std::vector<float> values(static_cast<std::size_t>(std::min(size, kPattern)));
  core::Random random(1, stream);
  for (float& value : values) value = static_cast<float>(random.uniform() - 0.5);
  const auto count = static_cast<std::int64_t>(values.size());
  const Tensor pattern = Tensor::from(values, {count}).to(dtype).to(device);
  if (count == size) return pattern.reshape(shape);
  const Tensor all = Tensor::empty({size}, dtype, device);
  for (std::int64_t begin = 0; begin < size; begin += count) {
    const std::int64_t end = std::min(size, begin + count);
    core::kernels::copy(pattern.slice(0, 0, end - begin), all.slice(0, begin, end));
  }
  return all.reshape(shape);
}

Tensor random_integers(std::int64_t count, std::int64_t bound, core::Device device,
                       std::uint64_t stream) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  core::Random random(1, stream);
  for (std::int32_t& value : values) {
    value = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(bound)));
  }
  return Tensor::from(values, {count}, device);
}

}  // namespace unfold::cli::bench
