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

constexpr Device kGpu{DeviceType::cuda, 0};
constexpr std::int64_t kMargin = 24;  // elements in front of and behind the parts

char* at(const Tensor& tensor, std::int64_t element) {
  return static_cast<char*>(tensor.raw()) +
         static_cast<std::size_t>(element) * size_of(tensor.dtype());
}

// A sum of parts that begin `shift` elements behind a multiple of 16 bytes.
struct Case {
  Tensor in, out, second;  // on the GPU
  std::vector<Tensor> parts;
  Tensor expected;

  Case(DType dtype, int count_of_parts, std::int64_t count, std::int64_t shift) {
    const std::int64_t width = (count + 15) / 16 * 16 + 2 * kMargin;
    Random random(7, static_cast<std::uint64_t>(count_of_parts + count));
    std::vector<double> values(static_cast<std::size_t>(count_of_parts * width));
    for (double& value : values) value = random.normal();
    const Tensor host = Tensor::from(values, {count_of_parts, width}).to(dtype);
    std::vector<const std::byte*> each;
    in = host.to(kGpu);
    for (int part = 0; part < count_of_parts; ++part) {
      const std::int64_t begin = part * width + 16 + shift;
      each.push_back(reinterpret_cast<const std::byte*>(at(host, begin)));
      sum.parts[part] = at(in, begin);
    }
    expected = Tensor::zeros({width}, dtype);
    sum_in_order(dtype, each, count, reinterpret_cast<std::byte*>(at(expected, 16 + shift)));
    out = Tensor::zeros({width}, dtype, kGpu);
    second = Tensor::zeros({width}, dtype, kGpu);
    sum.out = at(out, 16 + shift);
    sum.count = count;
  }
  bool is_expected(const Tensor& there) const {
    const Tensor got = there.to(Device{});
    return std::memcmp(got.raw(), expected.raw(), got.bytes()) == 0;
  }

  cuda::PartsSum sum;
};

void run(DType dtype, int parts, const std::vector<cuda::PartsSum>& sums) {
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  cuda::sum_parts(dtype, parts, sums, nullptr);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(CudaSumParts, AreThoseOfTheHost) {
  UNFOLD_NEEDS_GPU();
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    for (const std::int64_t count : {1, 15, 16, 1040, 1043, 3'000'001}) {
      for (const int parts : {1, 2, 5, 8}) {
        for (const std::int64_t shift : {0, 1}) {
          Case one(dtype, parts, count, shift);
          run(dtype, parts, {one.sum});
          EXPECT_TRUE(one.is_expected(one.out)) << name_of(dtype) << ", " << parts << " parts of "
                                                << count << ", shifted by " << shift;
        }
      }
    }
  }
}

TEST(CudaSumParts, GoToTwoPlacesOneOfThemAPart) {
  UNFOLD_NEEDS_GPU();
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    for (const std::int64_t shift : {0, 3}) {
      for (const int place : {0, 2}) {
        Case one(dtype, 3, 70'001, shift);
        one.sum.second = at(one.second, 16 + shift);
        one.sum.out = const_cast<void*>(one.sum.parts[place]);
        run(dtype, 3, {one.sum});
        EXPECT_TRUE(one.is_expected(one.second)) << name_of(dtype) << shift << place;
        const Tensor got = one.in.to(Device{});
        const std::int64_t width = one.expected.size();
        EXPECT_EQ(std::memcmp(at(got, place * width + 16 + shift), at(one.expected, 16 + shift),
                              70'001 * size_of(dtype)),
                  0)
            << name_of(dtype) << shift << place;
      }
    }
  }
}

// More than a launch takes, some of them empty, aligned and not.
TEST(CudaSumParts, TakeManySums) {
  UNFOLD_NEEDS_GPU();
  std::vector<Case> cases;
  std::vector<cuda::PartsSum> sums;
  for (int i = 0; i < 75; ++i) {
    cases.emplace_back(DType::bfloat16, 2, i % 7 == 0 ? 0 : 1 + 997 * i, i % 5 == 0 ? 1 : 0);
    sums.push_back(cases.back().sum);
  }
  run(DType::bfloat16, 2, sums);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_TRUE(cases[i].is_expected(cases[i].out)) << i;
  }
  run(DType::bfloat16, 2, {});
}

}  // namespace
}  // namespace unfold::core
