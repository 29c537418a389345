// The proofs of op cases as parameterised tests. Included by one file of a test program, which then
// lists its cases:
//   INSTANTIATE_TEST_SUITE_P(Attention, OpCaseTest, ::testing::ValuesIn(attention_cases()),
//                            op_case_name);
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "tests/autograd/op_case.h"

namespace unfold::testing {

class OpCaseTest : public ::testing::TestWithParam<OpCase> {};

inline std::string op_case_name(const ::testing::TestParamInfo<OpCase>& info) {
  return info.param.name;
}

TEST_P(OpCaseTest, GradientInFloat64) {
  EXPECT_TRUE(gradient_is_right(GetParam()));
  if (GetParam().composed) {
    EXPECT_TRUE(equals_composition(GetParam()));
  }
}

TEST_P(OpCaseTest, LowPrecision) {
  EXPECT_TRUE(low_precision_is_close(GetParam(), DType::float32));
  EXPECT_TRUE(low_precision_is_close(GetParam(), DType::bfloat16));
}

// Runs a proof on the first GPU; skips without one, and for ops that have no CUDA kernel yet.
template <typename Proof>
void prove_on_cuda(Proof&& proof) {
  if (core::cuda_device_count() == 0) GTEST_SKIP() << core::describe_cuda();
  try {
    EXPECT_TRUE(proof(core::Device{core::DeviceType::cuda, 0}));
  } catch (const core::UserError& error) {
    const std::string what = error.what();
    if (what.find("has no CUDA kernel") == std::string::npos) throw;
    GTEST_SKIP() << "not implemented on CUDA yet: " << what;
  }
}

TEST_P(OpCaseTest, CudaAgreesWithCpu) {
  prove_on_cuda([](core::Device device) { return devices_agree(GetParam(), device); });
}

TEST_P(OpCaseTest, CudaAgreesWithCpuInFloat64) {
  prove_on_cuda([](core::Device device) { return devices_agree_in_float64(GetParam(), device); });
}

TEST_P(OpCaseTest, CudaGivesTheSameBitsTwice) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    prove_on_cuda([dtype](core::Device device) { return repeats_on(GetParam(), device, dtype); });
    if (IsSkipped()) return;
  }
}

}  // namespace unfold::testing
