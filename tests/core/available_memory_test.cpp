#include "core/available_memory.h"

#include <gtest/gtest.h>

#include "core/tensor.h"
#include "tests/support/gpu.h"

namespace unfold::core {
namespace {

TEST(AvailableMemory, OfTheHost) {
  EXPECT_GT(available_memory({}), 1 << 20);
  EXPECT_EQ(available_memory({DeviceType::meta, 0}), 0);
}

// What is in use counts: it is what the process can have, not what it can still take.
TEST(AvailableMemory, OfCuda) {
  UNFOLD_NEEDS_GPU();
  const Device cuda = {DeviceType::cuda, 0};
  const std::int64_t before = available_memory(cuda);
  const Tensor x = Tensor::empty({256 << 20}, DType::uint8, cuda);
  EXPECT_NEAR(static_cast<double>(available_memory(cuda)), static_cast<double>(before), 64e6);
}

}  // namespace
}  // namespace unfold::core
