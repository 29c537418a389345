#include "core/roofline.h"

#include <gtest/gtest.h>

#include "core/cuda/runtime.h"
#include "core/memory.h"
#include "tests/support/gpu.h"

namespace unfold::core {
namespace {

TEST(Roofline, TheSlowerOfArithmeticAndMemory) {
  const Roofline roofline = {100, 10};
  EXPECT_DOUBLE_EQ(roofline.seconds(200, 10), 2);
  EXPECT_DOUBLE_EQ(roofline.seconds(200, 50), 5);
  EXPECT_DOUBLE_EQ(Roofline{}.seconds(200, 50), 0);
}

TEST(Roofline, MeasuredOnTheCpu) {
  const std::int64_t before = memory_stats({}).current;
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    EXPECT_GT(measure_matmul_flops({}, dtype, 48), 1e5);
  }
  EXPECT_GT(measure_copy_bytes({}, 1 << 16), 1e6);
  EXPECT_EQ(memory_stats({}).current, before);
}

TEST(Roofline, MeasuredOnCudaIsBelowTheDatasheet) {
  UNFOLD_NEEDS_GPU();
  const Device cuda = {DeviceType::cuda, 0};
  const Roofline roofline = measure_roofline(cuda, DType::bfloat16);
  EXPECT_GT(roofline.flops, 1e12);
  EXPECT_GT(roofline.bytes, 50e9);
  const auto sheet = datasheet_of(cuda::device_name(0));
  if (!sheet) GTEST_SKIP() << cuda::device_name(0) << " is not in the table";
  EXPECT_LT(roofline.flops, 1.05 * sheet->bfloat16_flops);
  EXPECT_LT(roofline.bytes, 1.05 * sheet->bytes);
  EXPECT_GT(roofline.flops, 0.3 * sheet->bfloat16_flops);
  EXPECT_GT(roofline.bytes, 0.5 * sheet->bytes);
}

TEST(Datasheet, ByTheWholeName) {
  ASSERT_TRUE(datasheet_of("NVIDIA H100 80GB HBM3"));
  EXPECT_DOUBLE_EQ(datasheet_of("NVIDIA H100 80GB HBM3")->bfloat16_flops, 989e12);
  EXPECT_FALSE(datasheet_of("NVIDIA H100 80GB HBM3 MIG 1g.10gb"));
  EXPECT_FALSE(datasheet_of(""));
}

}  // namespace
}  // namespace unfold::core
