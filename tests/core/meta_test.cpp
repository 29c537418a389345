// The meta device: shapes and accounting without data.
#include <gtest/gtest.h>

#include <vector>

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/tensor.h"

namespace unfold::core {
namespace {

const Device kMeta = {DeviceType::meta, 0};

std::int64_t at(const std::array<std::int64_t, kMemoryUses>& bytes, MemoryUse use) {
  return bytes[static_cast<std::size_t>(use)];
}

TEST(Meta, TensorsOfAnySizeCostNothingButAreCounted) {
  const std::int64_t before = memory_stats(Device{}).current;
  {
    const Tensor huge = Tensor::zeros({1 << 20, 1 << 20}, DType::float32, kMeta);
    EXPECT_EQ(memory_stats(kMeta).current, std::int64_t{1} << 42);
    EXPECT_EQ(memory_stats(Device{}).current, before);
    EXPECT_EQ(huge.device(), kMeta);
    EXPECT_EQ(name_of(huge.device()), "meta");
    const Tensor row = huge.slice(0, 5, 6).reshape({-1});
    EXPECT_EQ(row.size(), 1 << 20);
    EXPECT_EQ(memory_stats(kMeta).current, std::int64_t{1} << 42);
    const Tensor half = row.to(DType::bfloat16);
    EXPECT_EQ(memory_stats(kMeta).current, (std::int64_t{1} << 42) + (1 << 21));
  }
  EXPECT_EQ(memory_stats(kMeta).current, 0);
}

TEST(Meta, KernelsDoNothing) {
  const Tensor a = Tensor::empty({1 << 16, 1 << 16}, DType::float32, kMeta);
  kernels::matmul(a, false, a, true, 1.0, 0.0, a);
  kernels::fill(a, 3.0);
  EXPECT_EQ(a.slice(0, 0, 1).slice(1, 0, 1).item(), 0.0);
}

TEST(Meta, ReadsAreZeroAndCopiesKeepShapes) {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4}, {2, 2}, kMeta);
  EXPECT_EQ(x.to_vector<float>(), std::vector<float>(4, 0.0f));
  const Tensor y = Tensor::full({2, 3}, 7.0, DType::float64).to(kMeta);
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_EQ(y.dtype(), DType::float64);
  EXPECT_EQ(y.to(Device{}).to_vector<double>(), std::vector<double>(6, 0.0));
}

TEST(Meta, ThereIsNoPointerToItsData) {
  const Tensor x = Tensor::empty({2}, DType::float32, kMeta);
  EXPECT_THROW(x.raw(), InternalError);
  EXPECT_THROW(x.data<float>(), InternalError);
}

TEST(Meta, TensorsOfTwoDevicesAreRefused) {
  const Tensor x = Tensor::empty({2}, DType::float32, kMeta);
  const Tensor y = Tensor::empty({2}, DType::float32);
  EXPECT_THROW(kernels::add(x, x, y), InternalError);
  EXPECT_THROW(kernels::add(y, x, y), InternalError);
}

TEST(Meta, IsNotADeviceToAskFor) {
  EXPECT_THROW(device_from_name("meta"), UserError);
}

TEST(MemoryUses, ScopesNestAndReleasesFindTheirUse) {
  reset_peak(kMeta);
  EXPECT_EQ(memory_use(), MemoryUse::other);
  Tensor saved;
  {
    const MemoryScope outer(MemoryUse::activations);
    saved = Tensor::empty({100}, DType::uint8, kMeta);
    {
      const MemoryScope inner(MemoryUse::loss);
      const Tensor temporary = Tensor::empty({1000}, DType::uint8, kMeta);
      EXPECT_EQ(memory_use(), MemoryUse::loss);
    }
    EXPECT_EQ(memory_use(), MemoryUse::activations);
  }
  EXPECT_EQ(memory_use(), MemoryUse::other);
  const Tensor last = Tensor::empty({500}, DType::uint8, kMeta);
  const MemoryStats stats = memory_stats(kMeta);
  EXPECT_EQ(stats.current, 600);
  EXPECT_EQ(stats.peak, 1100);
  EXPECT_EQ(at(stats.at_peak, MemoryUse::loss), 1000);
  EXPECT_EQ(at(stats.at_peak, MemoryUse::activations), 100);
  EXPECT_EQ(at(stats.at_peak, MemoryUse::other), 0);
  EXPECT_EQ(at(stats.use_peak, MemoryUse::other), 500);
  reset_peak(kMeta);
  EXPECT_EQ(memory_stats(kMeta).peak, 600);
  EXPECT_EQ(at(memory_stats(kMeta).use_peak, MemoryUse::loss), 0);
  EXPECT_EQ(at(memory_stats(kMeta).at_peak, MemoryUse::activations), 100);
}

}  // namespace
}  // namespace unfold::core
