// Every CUDA kernel against the CPU's, in three precisions and at any alignment.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

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

// Cases of one kernel: what their names have before the first number.
struct Family {
  std::string name;
  std::vector<DeviceCase> cases;
};

std::vector<Family> families() {
  std::vector<Family> all;
  for (DeviceCase& test : device_cases()) {
    std::string name;
    for (const char c : test.name.substr(0, test.name.find_first_of("0123456789("))) {
      const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
      if (letter || (!name.empty() && name.back() != '_')) name += letter ? c : '_';
    }
    while (name.ends_with('_')) name.pop_back();
    const auto same = [&](const Family& family) { return family.name == name; };
    auto family = std::find_if(all.begin(), all.end(), same);
    if (family == all.end()) family = all.insert(family, {name, {}});
    family->cases.push_back(std::move(test));
  }
  return all;
}

class DeviceParity : public ::testing::TestWithParam<Family> {
 protected:
  static void expect_parity_of_all(const Place& place) {
    for (const DeviceCase& test : GetParam().cases) {
      for (const DType dtype : kFloatTypes) expect_parity(test, dtype, place);
    }
  }
};

TEST_P(DeviceParity, TheCasesThemselvesAreSound) {
  expect_parity_of_all(kHostUnaligned);
}

TEST_P(DeviceParity, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  expect_parity_of_all(kCuda);
}

TEST_P(DeviceParity, CudaAgreesWithCpuUnaligned) {
  UNFOLD_NEEDS_GPU();
  expect_parity_of_all(kCudaUnaligned);
}

TEST_P(DeviceParity, CudaGivesTheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  for (const DeviceCase& test : GetParam().cases) {
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

INSTANTIATE_TEST_SUITE_P(Kernels, DeviceParity, ::testing::ValuesIn(families()),
                         [](const auto& family) { return family.param.name; });

}  // namespace
}  // namespace unfold::testing
