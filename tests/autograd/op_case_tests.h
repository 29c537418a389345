// The proofs of op cases as parameterised tests. Included by one file of a test program, which then
// lists its cases:
//   INSTANTIATE_TEST_SUITE_P(Attention, OpCaseTest, ::testing::ValuesIn(attention_cases()),
//                            op_case_name);
#pragma once

#include <gtest/gtest.h>

#include "tests/autograd/op_case.h"
#include "tests/support/gpu.h"

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

inline constexpr core::Device kFirstGpu{core::DeviceType::cuda, 0};

TEST_P(OpCaseTest, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  EXPECT_TRUE(devices_agree(GetParam(), kFirstGpu));
}

TEST_P(OpCaseTest, CudaAgreesWithCpuInFloat64) {
  UNFOLD_NEEDS_GPU();
  EXPECT_TRUE(devices_agree_in_float64(GetParam(), kFirstGpu));
}

TEST_P(OpCaseTest, CudaGivesTheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    EXPECT_TRUE(repeats_on(GetParam(), kFirstGpu, dtype));
  }
}

}  // namespace unfold::testing
