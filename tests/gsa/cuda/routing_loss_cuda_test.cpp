// The routing loss on the GPU against the CPU, value and gradient.
#include <gtest/gtest.h>

#include "gsa/kernels/routing_loss.h"
#include "tests/gsa/attention_case.h"
#include "tests/gsa/cuda/on_device.h"
#include "tests/gsa/unfolding_case.h"
#include "tests/support/case_count.h"

namespace unfold::gsa {
namespace {

using core::Device;
using core::DType;
using core::Tensor;

struct RoutingResult {
  double loss = 0;
  std::vector<double> dqkv;
  bool operator==(const RoutingResult&) const = default;
};

// The gradient is added to ones.
RoutingResult run(const UnfoldingCase& one, DType dtype, Device device, bool gradient = true) {
  const ChunkTable table = make_chunk_table(one.layout, one.select_from);
  const core::Shape shape = {one.layout.size(), one.shape.qkv_width()};
  const DType wide = core::accumulator_of(dtype);
  const Tensor loss = filled({}, 7, wide, device);
  Tensor dqkv;
  if (gradient) dqkv = filled(shape, 1, wide, device);
  kernels::routing_loss(make_tensor(one.qkv, shape, dtype, device), one.shape, table,
                        one.layout.length, loss, dqkv);
  RoutingResult result{loss.to_vector<double>()[0], {}};
  if (gradient) result.dqkv = dqkv.to_vector<double>();
  return result;
}

UnfoldingCase make_wide_case(std::uint64_t seed, int levels, const AttentionShape& shape,
                             std::int64_t length) {
  UnfoldingCase one = make_unfolding_case(seed, levels, length);
  one.shape = shape;
  one.qkv = random_values(one.layout.size() * shape.qkv_width(), seed, DType::bfloat16);
  return one;
}

class CudaRoutingLossOfLevels : public testing::TestWithParam<int> {};

TEST_P(CudaRoutingLossOfLevels, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  int with_queries = 0;
  for (std::uint64_t seed = 0; seed < test::case_count(60); ++seed) {
    const UnfoldingCase one =
        make_unfolding_case(seed, GetParam(), 40 + static_cast<std::int64_t>(seed) * 2);
    const RoutingResult host = run(one, DType::float64, {});
    const RoutingResult there = run(one, DType::float64, kGpu);
    with_queries += host.loss > 0 ? 1 : 0;
    ASSERT_NEAR(there.loss, host.loss, 1e-10 * std::max(1.0, host.loss)) << "seed " << seed;
    ASSERT_LE(largest_error(there.dqkv, host.dqkv), 1e-10) << "seed " << seed;
    EXPECT_EQ(run(one, DType::float64, kGpu, false).loss, there.loss) << "seed " << seed;
  }
  if (test::every_case()) {
    EXPECT_GE(with_queries, 30);
  }
}

// System prompt and links are in no chunk.
TEST_P(CudaRoutingLossOfLevels, CudaAgreesWithCpuWithLinks) {
  UNFOLD_NEEDS_GPU();
  int with_queries = 0;
  for (std::uint64_t seed = 0; seed < test::case_count(40); ++seed) {
    const UnfoldingCase one =
        make_unfolding_case(seed, GetParam(), 60 + static_cast<std::int64_t>(seed) * 4, 2, true);
    const RoutingResult host = run(one, DType::float64, {});
    const RoutingResult there = run(one, DType::float64, kGpu);
    with_queries += host.loss > 0 ? 1 : 0;
    ASSERT_NEAR(there.loss, host.loss, 1e-10 * std::max(1.0, host.loss)) << "seed " << seed;
    ASSERT_LE(largest_error(there.dqkv, host.dqkv), 1e-10) << "seed " << seed;
  }
  if (test::every_case()) {
    EXPECT_GE(with_queries, 20);
  }
}

TEST_P(CudaRoutingLossOfLevels, WideHeadsAndLowPrecision) {
  UNFOLD_NEEDS_GPU();
  constexpr AttentionShape kWide[] = {{4, 2, 64}, {4, 1, 128}, {2, 1, 96},  {2, 2, 64},
                                      {7, 1, 64}, {2, 1, 256}, {18, 1, 16}, {35, 1, 8}};
  std::uint64_t seed = 400;
  for (const AttentionShape& shape : test::cases(kWide)) {
    const UnfoldingCase one = make_wide_case(++seed, GetParam(), shape, 150);
    const RoutingResult exact = run(one, DType::float64, {});
    const RoutingResult there = run(one, DType::float64, kGpu);
    EXPECT_NEAR(there.loss, exact.loss, 1e-10 * std::max(1.0, exact.loss));
    EXPECT_LE(largest_error(there.dqkv, exact.dqkv), 1e-10);
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      // Inputs are exact in bfloat16 and all arithmetic is float32.
      const RoutingResult low = run(one, dtype, kGpu);
      EXPECT_NEAR(low.loss, exact.loss, 1e-5 * std::max(1.0, exact.loss)) << shape.width;
      EXPECT_LE(largest_error(low.dqkv, exact.dqkv), 1e-4) << shape.width;
    }
  }
}

TEST_P(CudaRoutingLossOfLevels, TheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  const UnfoldingCase one = make_wide_case(5, GetParam(), {4, 2, 64}, 400);
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    const RoutingResult first = run(one, dtype, kGpu);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(run(one, dtype, kGpu), first);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, CudaRoutingLossOfLevels, testing::Values(1, 2, 3));

// So many chunks and queries that the targets of all do not fit in memory at once.
TEST(CudaRoutingLoss, QueriesComeInBatches) {
  UNFOLD_NEEDS_GPU();
  const RandomLayoutOptions options{.rows = 1,
                                    .length = 6000,
                                    .levels = 2,
                                    .max_chunk = 1,
                                    .max_chunks = 4000,
                                    .max_segments = 1,
                                    .padding = false,
                                    .documents = false};
  UnfoldingCase one = make_wide_case(1, 2, {16, 16, 2}, 20);
  one.layout = random_layout(3, options);
  one.qkv = random_values(one.layout.size() * one.shape.qkv_width(), 3, DType::bfloat16);
  one.select_from = {};
  for (const DocumentSpan& span : document_spans(one.layout, 0))
    one.select_from.push_back(span.begin);
  const RoutingResult host = run(one, DType::float64, {});
  const RoutingResult there = run(one, DType::float64, kGpu);
  ASSERT_GT(host.loss, 0);
  EXPECT_NEAR(there.loss, host.loss, 1e-10 * host.loss);
  EXPECT_LE(largest_error(there.dqkv, host.dqkv), 1e-9);
}

}  // namespace
}  // namespace unfold::gsa
