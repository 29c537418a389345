// Memory and copies of a GPU.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "core/cuda/runtime.h"
#include "core/kernels/elementwise.h"
#include "core/memory.h"
#include "tests/core/tensor_helpers.h"
#include "tests/support/gpu.h"

namespace unfold::core {
namespace {

const Device kCuda = {DeviceType::cuda, 0};

TEST(CudaMemory, IsReusedAndCounted) {
  UNFOLD_NEEDS_GPU();
  const std::int64_t before = memory_stats(kCuda).current;
  const void* first = nullptr;
  {
    const Tensor x = Tensor::empty({3 << 20}, DType::float32, kCuda);
    first = x.raw();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 256, 0u);
    EXPECT_EQ(memory_stats(kCuda).current, before + (12 << 20));
  }
  EXPECT_EQ(memory_stats(kCuda).current, before);
  EXPECT_GE(memory_stats(kCuda).peak, before + (12 << 20));
  if (cuda::memory_info(0).cached == 0) GTEST_SKIP() << "UNFOLD_CUDA_CACHE=0";
  const Tensor again = Tensor::empty({3 << 20}, DType::float32, kCuda);
  EXPECT_EQ(again.raw(), first);
}

TEST(CudaMemory, OutOfMemoryIsOneClearLine) {
  UNFOLD_NEEDS_GPU();
  const std::int64_t before = memory_stats(kCuda).current;
  const Tensor held = Tensor::zeros({1 << 20}, DType::float32, kCuda);
  try {
    Tensor::empty({std::int64_t{1} << 50}, DType::uint8, kCuda);
    FAIL() << "a petabyte was handed out";
  } catch (const UserError& error) {
    const std::string what = error.what();
    for (const char* part : {"cuda:0 is out of memory", "asked for 1073741824.0 MiB", "in use",
                             "cached", "free of", "other", "train.micro_rows"}) {
      EXPECT_NE(what.find(part), std::string::npos) << part << " in " << what;
    }
    EXPECT_EQ(what.find('\n'), std::string::npos);
  }
  EXPECT_EQ(memory_stats(kCuda).current, before + (4 << 20));
  EXPECT_EQ(testing::values_of(held), std::vector<double>(1 << 20, 0.0));  // and all goes on
}

// The line says what holds the memory, and names what to lower for that.
TEST(CudaMemory, OutOfMemoryNamesTheLargestHolders) {
  UNFOLD_NEEDS_GPU();
  const auto message = [](MemoryUse use) {
    const MemoryScope scope(use);
    const Tensor most = Tensor::empty({512 << 20}, DType::uint8, kCuda);
    const MemoryScope other(MemoryUse::loss);
    const Tensor little = Tensor::empty({2 << 20}, DType::uint8, kCuda);
    try {
      Tensor::empty({std::int64_t{1} << 50}, DType::uint8, kCuda);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string parameters = message(MemoryUse::parameters);
  EXPECT_NE(parameters.find("(parameters 512.0, "), std::string::npos) << parameters;
  EXPECT_NE(parameters.find("loss 2.0"), std::string::npos) << parameters;
  EXPECT_NE(parameters.find("lower model.width"), std::string::npos) << parameters;
  const std::string activations = message(MemoryUse::activations);
  EXPECT_NE(activations.find("(activations 512.0, "), std::string::npos) << activations;
  EXPECT_NE(activations.find("lower train.micro_rows"), std::string::npos) << activations;
  EXPECT_NE(activations.find("activation_checkpointing"), std::string::npos) << activations;
}

// What is cached is given back before memory counts as out.
TEST(CudaMemory, CachedBlocksDoNotStandInTheWay) {
  UNFOLD_NEEDS_GPU();
  cuda::release_cached(0);
  const std::int64_t free = cuda::memory_info(0).free;
  const std::int64_t most = free / 10 * 7;
  { const Tensor x = Tensor::empty({most}, DType::uint8, kCuda); }
  { const Tensor x = Tensor::empty({most / 2}, DType::uint8, kCuda); }
  const Tensor x = Tensor::empty({free / 10 * 8}, DType::uint8, kCuda);
  kernels::fill(x.slice(0, x.size() - 100, x.size()), 3.0);
  EXPECT_EQ(testing::values_of(x.slice(0, x.size() - 2, x.size())), (std::vector<double>{3, 3}));
}

// Longer than the staging pieces, and off their borders.
TEST(CudaMemory, CopiesThereAndBack) {
  UNFOLD_NEEDS_GPU();
  for (const std::int64_t size : {0, 1, 257, 1 << 20, (9 << 20) + 3}) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
    }
    const Tensor there = Tensor::from(bytes, {size}, kCuda);
    const Tensor second = there.clone();
    bytes.assign(bytes.size(), 0);  // the copy does not need its source any more
    const std::vector<std::uint8_t> back = second.to_vector<std::uint8_t>();
    ASSERT_EQ(back.size(), bytes.size());
    for (std::size_t i = 0; i < back.size(); ++i) {
      ASSERT_EQ(back[i], static_cast<std::uint8_t>(i * 2654435761u >> 13)) << i << " of " << size;
    }
  }
}

// Short copies share staging pieces: none may overwrite one that is still on its way.
TEST(CudaMemory, ManyShortCopies) {
  UNFOLD_NEEDS_GPU();
  const Tensor busy = Tensor::full({16 << 20}, 1.0, DType::float32, kCuda);
  std::vector<Tensor> there;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) kernels::accumulate(busy, 0.0, busy);  // the stream lags behind
    for (std::int32_t i = 0; i < 3000; ++i) {
      const std::vector<std::int32_t> values(static_cast<std::size_t>(1 + i % 1500), i);
      there.push_back(Tensor::from(values, {1 + i % 1500}, kCuda));
    }
  }
  for (std::size_t i = 0; i < there.size(); i += 7) {
    for (const std::int32_t value : there[i].to_vector<std::int32_t>()) {
      ASSERT_EQ(value, static_cast<std::int32_t>(i % 3000)) << i;
    }
  }
}

TEST(CudaMemory, ItemsOfMixedDtypesAtOnce) {
  UNFOLD_NEEDS_GPU();
  EXPECT_EQ(items({Tensor::full({}, 0.5, DType::float32, kCuda),
                   Tensor::full({1}, 2.0, DType::float64, kCuda),
                   Tensor::full({1, 1}, -3.0, DType::bfloat16, kCuda)}),
            (std::vector<double>{0.5, 2, -3}));
}

// Copies wait for the kernels before them, and kernels for the copies.
TEST(CudaMemory, CopiesAreOrderedWithKernels) {
  UNFOLD_NEEDS_GPU();
  constexpr std::int64_t kSize = 8 << 20;
  const Tensor x = Tensor::zeros({kSize}, DType::float32, kCuda);
  const Tensor one = Tensor::full({kSize}, 1.0, DType::float32, kCuda);
  for (int i = 0; i < 20; ++i) kernels::accumulate(one, 1.0, x);
  EXPECT_EQ(x.slice(0, kSize - 1, kSize).item(), 20.0);
  const std::vector<float> values(static_cast<std::size_t>(kSize), 5.0f);
  for (int i = 0; i < 3; ++i) {
    const Tensor y = Tensor::from(values, {kSize}, kCuda);
    kernels::add(x, y, x);
  }
  EXPECT_EQ(x.slice(0, kSize - 1, kSize).item(), 35.0);
  EXPECT_EQ(x.slice(0, 0, 1).item(), 35.0);
}

TEST(CudaMemory, ADeviceThatIsNotThereIsAUsersError) {
  UNFOLD_NEEDS_GPU();
  const int count = cuda_device_count();
  if (count >= 16) GTEST_SKIP() << "all devices there can be are there";
  try {
    Tensor::empty({1}, DType::float32, Device{DeviceType::cuda, count});
    FAIL() << "must throw";
  } catch (const UserError& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("there is no cuda:"), std::string::npos) << what;
  }
}

}  // namespace
}  // namespace unfold::core
