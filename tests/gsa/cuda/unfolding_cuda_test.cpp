// Selection and unfolding on the GPU against the CPU.
#include "gsa/unfolding.h"

#include <gtest/gtest.h>

#include "gsa/kernels/selection.h"
#include "gsa/kernels/unfolding.h"
#include "tests/gsa/attention_case.h"
#include "tests/gsa/cuda/on_device.h"
#include "tests/gsa/dense_attention.h"
#include "tests/gsa/unfolding_case.h"
#include "tests/support/case_count.h"

namespace unfold::gsa {
namespace {

using core::Device;
using core::DType;
using core::Tensor;

Selection select_on(const UnfoldingCase& one, const UnfoldingContext& context, DType dtype,
                    Device device) {
  Selection selection;
  const Tensor qkv =
      make_tensor(one.qkv, {one.layout.size(), one.shape.qkv_width()}, dtype, device);
  kernels::select_chunks(qkv, one.shape, *context.table, one.layout.length, context.config,
                         selection);
  return selection;
}

void expect_same(const Selection& there, const Selection& host, std::uint64_t seed) {
  EXPECT_EQ(there.levels, host.levels) << "seed " << seed;
  EXPECT_EQ(there.kv_heads, host.kv_heads) << "seed " << seed;
  EXPECT_EQ(there.offsets, host.offsets) << "seed " << seed;
  EXPECT_EQ(there.picks, host.picks) << "seed " << seed;
  EXPECT_EQ(there.scores_computed, host.scores_computed) << "seed " << seed;
}

// Gradients of the suffix queries; the others, which no kernel here is about, have none.
std::vector<double> dout_of(const UnfoldingCase& one, const ChunkTable& table) {
  std::vector<double> dout(static_cast<std::size_t>(one.layout.size() * one.shape.out_width()));
  core::Random random(31);
  for (const ChunkTable::SuffixQuery& query : table.suffix) {
    const std::int64_t token = table.document_of(query).row * one.layout.length + query.position;
    for (std::int64_t d = 0; d < one.shape.out_width(); ++d) {
      dout[static_cast<std::size_t>(token * one.shape.out_width() + d)] =
          static_cast<double>(core::bfloat16(static_cast<float>(random.normal())));
    }
  }
  return dout;
}

// The suffix queries alone. Gradients are added to `initial`.
AttentionResult run(const UnfoldingCase& one, const UnfoldingContext& context,
                    const KeySpans& spans, DType dtype, Device device, double initial = 1) {
  const std::int64_t tokens = one.layout.size();
  const DType wide = core::accumulator_of(dtype);
  const Tensor qkv = make_tensor(one.qkv, {tokens, one.shape.qkv_width()}, dtype, device);
  const Tensor dout =
      make_tensor(dout_of(one, *context.table), {tokens, one.shape.out_width()}, dtype, device);
  const Tensor out = filled({tokens, one.shape.out_width()}, 7, dtype, device);
  const Tensor lse = filled({tokens, one.shape.heads}, 7, wide, device);
  const Tensor dqkv = filled({tokens, one.shape.qkv_width()}, initial, wide, device);
  kernels::unfolding(qkv, one.shape, *context.table, one.layout.length, spans, out, lse);
  kernels::unfolding_backward(dout, qkv, out, lse, one.shape, *context.table, one.layout.length,
                              spans, dqkv);
  return {out.to_vector<double>(), lse.to_vector<double>(), dqkv.to_vector<double>()};
}

KeySpans spans_of(const UnfoldingCase& one, const UnfoldingContext& context) {
  return make_key_spans(context.map->reach, *context.table, context.config.unfold,
                        select_on(one, context, DType::float64, {}));
}

UnfoldingCase make_wide_case(std::uint64_t seed, int levels, const AttentionShape& shape,
                             std::int64_t length) {
  UnfoldingCase one = make_unfolding_case(seed, levels, length);
  one.shape = shape;
  one.qkv = random_values(one.layout.size() * shape.qkv_width(), seed, DType::bfloat16);
  return one;
}

class CudaUnfoldingOfLevels : public testing::TestWithParam<int> {};

TEST_P(CudaUnfoldingOfLevels, PicksWhatTheCpuPicks) {
  UNFOLD_NEEDS_GPU();
  std::size_t on_device = 0;
  for (std::uint64_t seed = 0; seed < test::case_count(300); ++seed) {
    const UnfoldingCase one =
        make_unfolding_case(seed, GetParam(), 30 + static_cast<std::int64_t>(seed % 60));
    const UnfoldingContext context = one.context();
    if (one.config.pivot == Pivot::gist && one.config.budget != Budget::top_p) {
      on_device += context.table->suffix.size();
    }
    expect_same(select_on(one, context, DType::float64, kGpu),
                select_on(one, context, DType::float64, {}), seed);
    ASSERT_FALSE(HasFailure());
  }
  if (test::every_case()) {
    EXPECT_GE(on_device, 100u);
  }
}

// Every budget that runs on the device, over values that every dtype holds exactly: ties included.
TEST_P(CudaUnfoldingOfLevels, PicksTheSameOfExactScoresInEveryDtype) {
  UNFOLD_NEEDS_GPU();
  for (std::uint64_t seed = 0; seed < test::case_count(60); ++seed) {
    UnfoldingCase one = make_unfolding_case(seed, GetParam(), 80);
    one.config.pivot = Pivot::gist;
    one.config.budget = static_cast<Budget>(seed % 3);
    for (double& value : one.qkv) value = std::round(value * 2) / 2;
    const UnfoldingContext context = one.context();
    for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
      expect_same(select_on(one, context, dtype, kGpu), select_on(one, context, dtype, {}), seed);
    }
    ASSERT_FALSE(HasFailure());
  }
}

// Many gists, so that a level has more candidates than a block has threads.
TEST_P(CudaUnfoldingOfLevels, PicksAmongManyGists) {
  UNFOLD_NEEDS_GPU();
  for (std::uint64_t seed = 0; seed < test::case_count(6); ++seed) {
    const RandomLayoutOptions options{.rows = 1,
                                      .length = 3000,
                                      .levels = GetParam(),
                                      .max_chunk = 2,
                                      .max_chunks = 900,
                                      .max_segments = 2,
                                      .max_suffix = 40,
                                      .padding = false,
                                      .documents = seed % 2 == 0};
    UnfoldingCase one = make_unfolding_case(seed, GetParam(), 20, 1);
    one.layout = random_layout(seed, options);
    one.select_from.clear();
    one.config = {.budget = Budget::fixed,
                  .chunks = seed == 3 ? 2000 : 1 + static_cast<std::int64_t>(seed) * 40,
                  .quarter_cap = seed % 2 == 1,
                  .anneal = seed == 5 ? 0.5 : 0.0};
    one.qkv = random_values(one.layout.size() * one.shape.qkv_width(), seed, DType::bfloat16);
    if (seed == 4) {
      for (double& value : one.qkv) value = std::round(value);
    }
    const UnfoldingContext context = one.context();
    expect_same(select_on(one, context, DType::float64, kGpu),
                select_on(one, context, DType::float64, {}), seed);
  }
}

TEST_P(CudaUnfoldingOfLevels, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  for (std::uint64_t seed = 0; seed < test::case_count(80); ++seed) {
    const UnfoldingCase one =
        make_unfolding_case(seed, GetParam(), 40 + static_cast<std::int64_t>(seed));
    const UnfoldingContext context = one.context();
    const KeySpans spans = spans_of(one, context);
    const AttentionResult host = run(one, context, spans, DType::float64, {});
    const AttentionResult there = run(one, context, spans, DType::float64, kGpu);
    ASSERT_LE(largest_error(there.out, host.out), 1e-11) << "seed " << seed;
    ASSERT_LE(largest_error(there.lse, host.lse), 1e-11) << "seed " << seed;
    ASSERT_LE(largest_error(there.dqkv, host.dqkv), 1e-10) << "seed " << seed;
  }
}

// Links and what stands behind them select; anchors are among the spans.
TEST_P(CudaUnfoldingOfLevels, CudaAgreesWithCpuWithLinks) {
  UNFOLD_NEEDS_GPU();
  for (std::uint64_t seed = 0; seed < test::case_count(60); ++seed) {
    const UnfoldingCase one =
        make_unfolding_case(seed, GetParam(), 60 + static_cast<std::int64_t>(seed) * 2, 2, true);
    const UnfoldingContext context = one.context();
    expect_same(select_on(one, context, DType::float64, kGpu),
                select_on(one, context, DType::float64, {}), seed);
    const KeySpans spans = spans_of(one, context);
    const AttentionResult host = run(one, context, spans, DType::float64, {});
    const AttentionResult there = run(one, context, spans, DType::float64, kGpu);
    ASSERT_LE(largest_error(there.out, host.out), 1e-11) << "seed " << seed;
    ASSERT_LE(largest_error(there.dqkv, host.dqkv), 1e-10) << "seed " << seed;
    ASSERT_FALSE(HasFailure());
  }
}

// The composed version over the spans; a query without any sees itself.
DenseAttention run_dense(const UnfoldingCase& one, const ChunkTable& table, const KeySpans& spans,
                         DType precision) {
  std::vector<std::int64_t> selects(static_cast<std::size_t>(one.layout.size()), -1);
  for (std::size_t i = 0; i < table.suffix.size(); ++i) {
    const std::int64_t row = table.document_of(table.suffix[i]).row;
    selects[static_cast<std::size_t>(row * one.layout.length + table.suffix[i].position)] =
        static_cast<std::int64_t>(i);
  }
  return dense_attention(
      one.qkv, dout_of(one, table), one.shape, one.layout,
      [&](std::int64_t row, std::int64_t head, std::int64_t q, std::int64_t k) {
        const std::int64_t query = selects[static_cast<std::size_t>(row * one.layout.length + q)];
        if (query < 0) return q == k;
        for (const KeySpan& span :
             spans.of(query * one.shape.kv_heads + head / one.shape.group())) {
          if (k >= span.begin && k < span.end) return true;
        }
        return false;
      },
      precision);
}

// Sum of squared differences in the rows (of `width`) of suffix queries.
double suffix_error(const std::vector<double>& a, const std::vector<double>& b,
                    const UnfoldingCase& one, const ChunkTable& table, std::int64_t width) {
  double total = 0;
  for (const ChunkTable::SuffixQuery& query : table.suffix) {
    const std::int64_t token = table.document_of(query).row * one.layout.length + query.position;
    for (std::int64_t d = 0; d < width; ++d) {
      const auto at = static_cast<std::size_t>(token * width + d);
      total += (a[at] - b[at]) * (a[at] - b[at]);
    }
  }
  return total;
}

TEST_P(CudaUnfoldingOfLevels, LowPrecisionIsAsGoodAsTheComposedVersion) {
  UNFOLD_NEEDS_GPU();
  constexpr AttentionShape kWide[] = {{4, 2, 64}, {4, 1, 128}, {2, 1, 96},  {2, 2, 64},
                                      {7, 1, 64}, {2, 1, 256}, {18, 1, 16}, {4, 2, 24}};
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    double error = 0, allowed = 0, gradient_error = 0, gradient_allowed = 0;
    std::uint64_t seed = 200;
    for (const AttentionShape& shape : test::cases(kWide)) {
      const UnfoldingCase one = make_wide_case(++seed, GetParam(), shape, 150);
      const UnfoldingContext context = one.context();
      const ChunkTable& table = *context.table;
      const KeySpans spans = spans_of(one, context);
      const DenseAttention exact = run_dense(one, table, spans, DType::float64);
      const DenseAttention composed = run_dense(one, table, spans, dtype);
      const AttentionResult there = run(one, context, spans, dtype, kGpu, 0);
      error += suffix_error(there.out, exact.out, one, table, shape.out_width());
      allowed += suffix_error(composed.out, exact.out, one, table, shape.out_width());
      gradient_error += mean_square_error(there.dqkv, exact.dqkv);
      gradient_allowed += mean_square_error(composed.dqkv, exact.dqkv);
    }
    EXPECT_GT(allowed, 0);
    EXPECT_LE(std::sqrt(error), 2 * std::sqrt(allowed)) << core::name_of(dtype);
    EXPECT_LE(std::sqrt(gradient_error), 2 * std::sqrt(gradient_allowed)) << core::name_of(dtype);
  }
}

TEST_P(CudaUnfoldingOfLevels, TheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    const UnfoldingCase one = make_wide_case(5, GetParam(), {4, 1, 64}, 400);
    const UnfoldingContext context = one.context();
    const KeySpans spans = spans_of(one, context);
    const AttentionResult first = run(one, context, spans, dtype, kGpu);
    const Selection picks = select_on(one, context, dtype, kGpu);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(run(one, context, spans, dtype, kGpu), first);
      expect_same(select_on(one, context, dtype, kGpu), picks, 5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, CudaUnfoldingOfLevels, testing::Values(1, 2, 3));

}  // namespace
}  // namespace unfold::gsa
