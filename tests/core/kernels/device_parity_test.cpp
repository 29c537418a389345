// Every CUDA kernel against the CPU's, in three precisions and at any alignment.
#include <gtest/gtest.h>

#include "tests/core/kernels/device_cases.h"
#include "tests/support/gpu.h"

namespace unfold::testing {
namespace {

using Values = std::vector<std::vector<double>>;

const Place kHost = {core::Device{}, false};
const Place kHostUnaligned = {core::Device{}, true};
const Place kCuda = {core::Device{core::DeviceType::cuda, 0}, false};
const Place kCudaUnaligned = {core::Device{core::DeviceType::cuda, 0}, true};

Values values_of_all(const std::vector<Tensor>& tensors) {
  Values values;
  for (const Tensor& tensor : tensors) values.push_back(values_of(tensor));
  return values;
}

// Each output may be off from float64 by twice what the CPU is in the same precision, and half a
// rounding, because the CPU may be right by luck. Sums in float64 are only reordered.
void expect_parity(const DeviceCase& test, DType dtype, const Place& place) {
  const std::vector<Tensor> host = test.run(dtype, kHost);
  const std::vector<Tensor> there = test.run(dtype, place);
  const Values exact = values_of_all(test.run(DType::float64, kHost));
  ASSERT_EQ(there.size(), host.size());
  for (std::size_t i = 0; i < host.size(); ++i) {
    SCOPED_TRACE(fmt::format("{}, {}, output {}{}", test.name, name_of(dtype), i,
                             place.unaligned ? ", unaligned" : ""));
    if (test.exact) {
      EXPECT_TRUE(same_bits(there[i].to(core::Device{}), host[i]));
      continue;
    }
    const double epsilon = epsilon_of(host[i].dtype());
    const double theirs = relative_error(values_of(host[i]), exact[i]);
    const double ours = relative_error(values_of(there[i]), exact[i]);
    const double slack = dtype == DType::float64 ? 1e-13 : epsilon / 2;
    // A wide output of a narrow case is made of sums in its own precision: in another order they
    // differ by some roundings, where both are good.
    const double reordered = 16 * epsilon_of(core::accumulator_of(dtype));
    EXPECT_LE(ours, 2 * theirs + std::max(slack, reordered));
  }
}

TEST(DeviceParity, TheCasesThemselvesAreSound) {
  for (const DeviceCase& test : device_cases()) {
    for (const DType dtype : kFloatTypes) expect_parity(test, dtype, kHostUnaligned);
  }
}

TEST(DeviceParity, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  for (const DeviceCase& test : device_cases()) {
    for (const DType dtype : kFloatTypes) expect_parity(test, dtype, kCuda);
  }
}

TEST(DeviceParity, CudaAgreesWithCpuUnaligned) {
  UNFOLD_NEEDS_GPU();
  for (const DeviceCase& test : device_cases()) {
    for (const DType dtype : kFloatTypes) expect_parity(test, dtype, kCudaUnaligned);
  }
}

TEST(DeviceParity, CudaGivesTheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  for (const DeviceCase& test : device_cases()) {
    for (const DType dtype : kFloatTypes) {
      const std::vector<Tensor> first = test.run(dtype, kCuda);
      const std::vector<Tensor> second = test.run(dtype, kCuda);
      for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_TRUE(same_bits(first[i].to(core::Device{}), second[i].to(core::Device{})))
            << test.name << " " << name_of(dtype) << " output " << i;
      }
    }
  }
}

}  // namespace
}  // namespace unfold::testing
