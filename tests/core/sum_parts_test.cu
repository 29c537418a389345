// Sums of what ranks sent on the GPU, against those of the host, bit for bit.
#include "core/cuda/sum_parts.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "core/comm/rank_sum.h"
#include "core/random.h"
#include "core/tensor.h"
#include "tests/support/gpu.h"

namespace unfold::core {
namespace {

TEST(CudaSumParts, AreThoseOfTheHost) {
  UNFOLD_NEEDS_GPU();
  const Device gpu{DeviceType::cuda, 0};
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    for (const std::int64_t count : {16, 1040, 300'000}) {
      for (const int parts : {1, 2, 5}) {
        Random random(7, static_cast<std::uint64_t>(parts));
        std::vector<double> values(static_cast<std::size_t>(parts * count));
        for (double& value : values) value = random.normal();
        const Tensor in = Tensor::from(values, {parts, count}).to(dtype);
        std::vector<const std::byte*> each;
        for (int part = 0; part < parts; ++part) {
          each.push_back(static_cast<const std::byte*>(in.slice(0, part, part + 1).raw()));
        }
        const Tensor expected = Tensor::empty({count}, dtype);
        sum_in_order(dtype, each, count, static_cast<std::byte*>(expected.raw()));

        const Tensor there = in.to(gpu);
        const Tensor out = Tensor::zeros({count}, dtype, gpu);
        ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
        cuda::sum_parts(dtype, there.raw(), parts, count, out.raw(), nullptr);
        ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
        const Tensor got = out.to(Device{});
        EXPECT_EQ(std::memcmp(got.raw(), expected.raw(), got.bytes()), 0)
            << name_of(dtype) << ", " << parts << " parts of " << count;
      }
    }
  }
}

}  // namespace
}  // namespace unfold::core
