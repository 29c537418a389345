#include "core/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/tensor.h"

namespace unfold::core {
namespace {

const Device kCpu;

TEST(Memory, CurrentReturnsAndPeakStays) {
  const std::int64_t start = memory_stats(kCpu).current;
  reset_peak(kCpu);
  {
    const Tensor first = Tensor::empty({1000}, DType::float32);
    EXPECT_EQ(memory_stats(kCpu).current, start + 4000);
    {
      const Tensor second = Tensor::empty({1000}, DType::float64);
      EXPECT_EQ(memory_stats(kCpu).current, start + 12000);
    }
    EXPECT_EQ(memory_stats(kCpu).current, start + 4000);
  }
  EXPECT_EQ(memory_stats(kCpu).current, start);
  EXPECT_EQ(memory_stats(kCpu).peak, start + 12000);
  reset_peak(kCpu);
  EXPECT_EQ(memory_stats(kCpu).peak, start);
}

TEST(Memory, ViewsCostNothingAndKeepTheirStorage) {
  const std::int64_t start = memory_stats(kCpu).current;
  Tensor view;
  {
    const Tensor x = Tensor::empty({10, 10}, DType::float32);
    const std::int64_t blocks = memory_stats(kCpu).allocations;
    view = x.slice(0, 2, 3).transpose(0, 1);
    EXPECT_EQ(memory_stats(kCpu).allocations, blocks);
  }
  EXPECT_EQ(memory_stats(kCpu).current, start + 400);  // one row keeps all ten
  view = Tensor();
  EXPECT_EQ(memory_stats(kCpu).current, start);
}

TEST(Memory, BlocksAreAlignedAlsoEmptyOnes) {
  for (const std::int64_t size : {0, 1, 3, 1000, 100000}) {
    const Tensor x = Tensor::empty({size}, DType::uint8);
    EXPECT_NE(x.raw(), nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(x.raw()) % 64, 0u) << size;
  }
}

TEST(Memory, CountsFromManyThreads) {
  const std::int64_t start = memory_stats(kCpu).current;
  const std::int64_t blocks = memory_stats(kCpu).allocations;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 1; i <= 200; ++i) static_cast<void>(Tensor::empty({i}, DType::float32));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory_stats(kCpu).current, start);
  EXPECT_EQ(memory_stats(kCpu).allocations, blocks + 800);
}

TEST(Memory, OutOfMemoryIsAUsersError) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer aborts on an allocation this large";
#endif
  const std::int64_t start = memory_stats(kCpu).current;
  try {
    Tensor::empty({std::int64_t{1} << 50}, DType::float64);
    FAIL() << "8 PiB were handed out";
  } catch (const UserError& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("cpu is out of memory"), std::string::npos) << what;
    EXPECT_NE(what.find("train.micro_rows"), std::string::npos) << what;
  }
  EXPECT_EQ(memory_stats(kCpu).current, start);
}

TEST(Memory, OutOfMemoryNamesWhatToLower) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer aborts on an allocation this large";
#endif
  const auto message = [](MemoryUse use) {
    const MemoryScope scope(use);
    const Tensor most = Tensor::empty({64 << 20}, DType::uint8);
    try {
      Tensor::empty({std::int64_t{1} << 50}, DType::float64);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string parameters = message(MemoryUse::parameters);
  EXPECT_NE(parameters.find("(parameters 64.0"), std::string::npos) << parameters;
  EXPECT_NE(parameters.find("lower model.width"), std::string::npos) << parameters;
  const std::string activations = message(MemoryUse::activations);
  EXPECT_NE(activations.find("(activations 64.0"), std::string::npos) << activations;
  EXPECT_NE(activations.find("lower train.micro_rows"), std::string::npos) << activations;
}

TEST(Memory, DeviceIndexOutOfRange) {
  EXPECT_THROW(memory_stats(Device{DeviceType::cuda, 1000}), InternalError);
  EXPECT_THROW(memory_stats(Device{DeviceType::cuda, -2}), InternalError);
}

}  // namespace
}  // namespace unfold::core
