// Attention over a block map on the GPU: against the CPU in float64, against the composed version
// in low precision.
#include <gtest/gtest.h>

#include <cstdlib>

#include "gsa/kernels/attention.h"
#include "gsa/links.h"
#include "tests/gsa/attention_case.h"
#include "tests/gsa/cuda/on_device.h"
#include "tests/support/case_count.h"

namespace unfold::gsa {
namespace {

using core::Device;
using core::DType;
using core::Tensor;

AttentionResult run(const AttentionCase& one, const BlockMap& map, DType dtype, Device device) {
  const std::int64_t tokens = one.layout.size();
  const DType wide = core::accumulator_of(dtype);
  const Tensor qkv = make_tensor(one.qkv, {tokens, one.shape.qkv_width()}, dtype, device);
  const Tensor dout = make_tensor(one.dout, {tokens, one.shape.out_width()}, dtype, device);
  const Tensor out = filled({tokens, one.shape.out_width()}, 7, dtype, device);
  const Tensor lse = filled({tokens, one.shape.heads}, 7, wide, device);
  const Tensor dqkv = filled({tokens, one.shape.qkv_width()}, 7, dtype, device);
  kernels::attention(qkv, one.shape, map, out, lse);
  kernels::attention_backward(dout, qkv, out, lse, one.shape, map, dqkv);
  return {out.to_vector<double>(), lse.to_vector<double>(), dqkv.to_vector<double>()};
}

void expect_equal_to_cpu(const AttentionCase& one, const BlockMap& map, const std::string& what) {
  const AttentionResult host = run(one, map, DType::float64, {});
  const AttentionResult there = run(one, map, DType::float64, kGpu);
  EXPECT_LE(largest_error(there.out, host.out), 1e-11) << what;
  EXPECT_LE(largest_error(there.lse, host.lse), 1e-11) << what;
  EXPECT_LE(largest_error(there.dqkv, host.dqkv), 1e-10) << what;
}

// Errors of several cases against float64, and those of the composed version: the rule allows twice
// as much.
class LowPrecisionErrors {
 public:
  void add(const AttentionCase& one, DType dtype) {
    const DenseAttention expected = run_dense(one, DType::float64);
    const DenseAttention composed = run_dense(one, dtype);
    const AttentionResult actual = run(one, *map_of(one), dtype, kGpu);
    error_ += mean_square_error(actual.out, expected.out);
    allowed_ += mean_square_error(composed.out, expected.out);
    gradient_error_ += mean_square_error(actual.dqkv, expected.dqkv);
    gradient_allowed_ += mean_square_error(composed.dqkv, expected.dqkv);
  }
  void expect_within_rule(DType dtype) const {
    EXPECT_LE(std::sqrt(error_), 2 * std::sqrt(allowed_)) << core::name_of(dtype);
    EXPECT_LE(std::sqrt(gradient_error_), 2 * std::sqrt(gradient_allowed_)) << core::name_of(dtype);
    EXPECT_GT(error_, 0);
  }

 private:
  double error_ = 0, allowed_ = 0, gradient_error_ = 0, gradient_allowed_ = 0;
};

// A case of a given shape and layout.
AttentionCase make_wide_case(std::uint64_t seed, int levels, std::int64_t length,
                             const AttentionShape& shape, DType dtype) {
  AttentionCase one = make_attention_case(seed, levels, length, dtype);
  one.shape = shape;
  one.qkv = random_values(one.layout.size() * shape.qkv_width(), seed * 2 + 1, dtype);
  one.dout = random_values(one.layout.size() * shape.out_width(), seed * 2 + 2, dtype);
  return one;
}

class CudaAttentionOfLevels : public testing::TestWithParam<int> {};

TEST_P(CudaAttentionOfLevels, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  for (std::uint64_t seed = 0; seed < test::case_count(42); ++seed) {
    const AttentionCase one = make_attention_case(
        seed, GetParam(), 45 + static_cast<std::int64_t>(seed) * 3, DType::float64);
    expect_equal_to_cpu(one, *map_of(one), "seed " + std::to_string(seed));
  }
}

TEST_P(CudaAttentionOfLevels, LowPrecisionIsAsGoodAsTheComposedVersion) {
  UNFOLD_NEEDS_GPU();
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    LowPrecisionErrors errors;
    for (std::uint64_t seed = 100; seed < 100 + test::case_count(21); ++seed) {
      errors.add(make_attention_case(seed, GetParam(), 70, dtype), dtype);
    }
    errors.expect_within_rule(dtype);
  }
}

// The widths of real models, in groups of 1, 2, 4 and 7 heads, and others near a tile's edge.
TEST_P(CudaAttentionOfLevels, WideHeads) {
  UNFOLD_NEEDS_GPU();
  constexpr AttentionShape kWide[] = {{4, 2, 64},  {4, 1, 128}, {2, 1, 96},  {2, 2, 64},
                                      {7, 1, 64},  {7, 1, 128}, {1, 1, 65},  {2, 1, 256},
                                      {2, 2, 128}, {3, 1, 80},  {2, 1, 200}, {18, 1, 16}};
  std::uint64_t seed = 300;
  for (const AttentionShape& shape : test::cases(kWide)) {
    const AttentionCase one = make_wide_case(seed, GetParam(), 150, shape, DType::float64);
    expect_equal_to_cpu(one, *map_of(one), "width " + std::to_string(shape.width));
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      LowPrecisionErrors errors;
      for (int tile : {64, 37}) {
        AttentionCase low = make_wide_case(++seed, GetParam(), 150, shape, dtype);
        low.tile = tile;
        errors.add(low, dtype);
      }
      errors.expect_within_rule(dtype);
    }
  }
}

// Only some queries attend: rows of the others are left alone.
TEST_P(CudaAttentionOfLevels, RestrictedMaps) {
  UNFOLD_NEEDS_GPU();
  for (std::uint64_t seed = 0; seed < test::case_count(12); ++seed) {
    const AttentionCase one = make_attention_case(seed, GetParam(), 90, DType::float64);
    core::Random random(seed, 5);
    std::vector<std::uint8_t> attends(static_cast<std::size_t>(one.layout.size()));
    for (std::uint8_t& flag : attends) flag = seed > 0 && random.below(3) == 0 ? 1 : 0;
    expect_equal_to_cpu(one,
                        make_block_map(one.layout, one.config, one.visibility, attends, one.tile),
                        "seed " + std::to_string(seed));
  }
}

// A window for each document of a layout.
std::vector<KeyWindow> random_windows(const Layout& layout, std::uint64_t seed,
                                      std::uint32_t most) {
  core::Random random(seed, 6);
  std::vector<KeyWindow> windows;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    for (std::size_t i = 0; i < document_spans(layout, row).size(); ++i) {
      windows.push_back({random.below(6), 1 + random.below(most)});
    }
  }
  return windows;
}

TEST_P(CudaAttentionOfLevels, Windows) {
  UNFOLD_NEEDS_GPU();
  for (std::uint64_t seed = 0; seed < test::case_count(12); ++seed) {
    const AttentionCase one = make_attention_case(seed, GetParam(), 90, DType::float64);
    expect_equal_to_cpu(one,
                        make_window_map(one.layout, random_windows(one.layout, seed, 40), one.tile),
                        "seed " + std::to_string(seed));
  }
}

TEST_P(CudaAttentionOfLevels, TheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  for (const AttentionShape& shape :
       {AttentionShape{4, 2, 24}, AttentionShape{4, 1, 64}, AttentionShape{7, 1, 128}}) {
    for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
      const AttentionCase one = make_wide_case(9, GetParam(), 300, shape, dtype);
      const auto map = map_of(one);
      const AttentionResult first = run(one, *map, dtype, kGpu);
      for (int i = 0; i < 3; ++i) EXPECT_EQ(run(one, *map, dtype, kGpu), first);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, CudaAttentionOfLevels, testing::Values(0, 1, 2, 3));

// Long rows: many tiles of keys a query, many tiles of queries a key.
// Rows of prompts with links: two classes of queries more, up to all that kernels have room for.
TEST(CudaAttention, RowsWithLinks) {
  UNFOLD_NEEDS_GPU();
  for (const int levels : {1, 2, kMaxLinkedLevels}) {
    for (std::uint64_t seed = 0; seed < test::case_count(20); ++seed) {
      const std::int64_t length = 60 + static_cast<std::int64_t>(seed) * 11;
      const AttentionCase one = make_attention_case(seed, levels, length, DType::float64, true);
      expect_equal_to_cpu(one, *map_of(one), "seed " + std::to_string(seed));
    }
    for (const AttentionShape& shape : {AttentionShape{4, 2, 64}, AttentionShape{4, 1, 128}}) {
      for (const DType dtype : {DType::float32, DType::bfloat16}) {
        LowPrecisionErrors errors;
        for (std::uint64_t seed = 50; seed < 50 + test::case_count(4); ++seed) {
          AttentionCase one = make_attention_case(seed, levels, 300, dtype, true);
          one.shape = shape;
          one.tile = 64;
          one.qkv = random_values(one.layout.size() * shape.qkv_width(), seed * 2 + 1, dtype);
          one.dout = random_values(one.layout.size() * shape.out_width(), seed * 2 + 2, dtype);
          errors.add(one, dtype);
          EXPECT_EQ(run(one, *map_of(one), dtype, kGpu), run(one, *map_of(one), dtype, kGpu));
        }
        errors.expect_within_rule(dtype);
      }
    }
  }
}

TEST(CudaAttention, LongRows) {
  UNFOLD_NEEDS_GPU();
  for (const Visibility mode : kModes) {
    for (const int levels : {1, 2}) {
      const RandomLayoutOptions options{.rows = 2,
                                        .length = 700,
                                        .levels = levels,
                                        .max_chunk = 3,
                                        .max_chunks = 200,
                                        .documents = false};
      for (const AttentionShape& shape : {AttentionShape{4, 2, 8}, AttentionShape{4, 1, 64}}) {
        for (const DType dtype : {DType::float64, DType::bfloat16}) {
          AttentionCase one = make_attention_case(7, levels, 700, dtype);
          one.shape = shape;
          one.visibility = mode;
          one.tile = 64;
          one.layout = random_layout(7, options);
          one.qkv = random_values(one.layout.size() * shape.qkv_width(), 1, dtype);
          one.dout = random_values(one.layout.size() * shape.out_width(), 2, dtype);
          if (dtype == DType::float64) {
            expect_equal_to_cpu(one, *map_of(one), "mode " + std::to_string(int(mode)));
          } else {
            LowPrecisionErrors errors;
            errors.add(one, dtype);
            errors.expect_within_rule(dtype);
          }
        }
      }
    }
  }
}

// The ways to multiply on tensor cores (gsa/cuda/attention.cu), over rows so long that the queries
// of a gist are dealt out to several blocks: against the general kernels in float32.
class CudaTensorCores : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { ::unsetenv("UNFOLD_TENSOR_CORES"); }
  void expect_as_general(const AttentionCase& one, const BlockMap& map) const;
};

double root_mean_square(const std::vector<double>& values) {
  return std::sqrt(mean_square_error(values, std::vector<double>(values.size(), 0.0)));
}

void CudaTensorCores::expect_as_general(const AttentionCase& one, const BlockMap& map) const {
  const AttentionResult expected = run(one, map, DType::float32, kGpu);
  ::setenv("UNFOLD_TENSOR_CORES", GetParam(), 1);
  const AttentionResult actual = run(one, map, DType::bfloat16, kGpu);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run(one, map, DType::bfloat16, kGpu), actual);
  ::unsetenv("UNFOLD_TENSOR_CORES");
  const std::string what = "levels " + std::to_string(one.layout.levels) + ", heads " +
                           std::to_string(one.shape.heads) + " of " +
                           std::to_string(one.shape.width);
  // bfloat16 keeps 8 bits: 0.4 %.
  EXPECT_LE(std::sqrt(mean_square_error(actual.out, expected.out)),
            0.01 * root_mean_square(expected.out))
      << what;
  EXPECT_LE(std::sqrt(mean_square_error(actual.dqkv, expected.dqkv)),
            0.02 * root_mean_square(expected.dqkv))
      << what;
  EXPECT_LE(largest_error(actual.lse, expected.lse), 1e-3) << what;
}

TEST_P(CudaTensorCores, LongRowsAsTheGeneralKernels) {
  UNFOLD_NEEDS_GPU();
  // Groups of 1, 3, 4, 7 and 8: blocks of one and two warpgroups, the second with less to do.
  constexpr AttentionShape kShapes[] = {{6, 2, 64}, {8, 1, 128}, {4, 1, 64},
                                        {2, 2, 64}, {7, 1, 64},  {2, 2, 128}};
  std::uint64_t seed = 500;
  for (const int levels : {1, 2}) {
    for (const AttentionShape& shape : test::cases(kShapes)) {
      const RandomLayoutOptions options{.rows = 2,
                                        .length = 2500,
                                        .levels = levels,
                                        .max_chunk = 5,
                                        .max_chunks = 600,
                                        .documents = false};
      AttentionCase one = make_attention_case(++seed, levels, 100, DType::bfloat16);
      one.shape = shape;
      one.visibility = Visibility::gist;
      one.tile = 64;
      one.layout = random_layout(seed, options);
      one.qkv = random_values(one.layout.size() * shape.qkv_width(), seed, DType::bfloat16);
      one.dout = random_values(one.layout.size() * shape.out_width(), seed + 1, DType::bfloat16);
      expect_as_general(one, *map_of(one));
      expect_as_general(one,
                        make_window_map(one.layout, random_windows(one.layout, seed, 500), 64));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, CudaTensorCores, testing::Values("sync", "warpgroup"),
                         [](const auto& way) { return std::string(way.param); });

// Scores of about +-1e4: softmax is one-hot, hidden scores are far above visible ones.
TEST(CudaAttention, ExtremeScoresStayFinite) {
  UNFOLD_NEEDS_GPU();
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    for (const std::int64_t width : {12, 64, 128}) {
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        AttentionCase one =
            make_wide_case(seed, 1 + static_cast<int>(seed % 2), 100, {2, 1, width}, dtype);
        const std::int64_t keys = (one.shape.heads + one.shape.kv_heads) * one.shape.width;
        for (std::size_t i = 0; i < one.qkv.size(); ++i) {
          if (static_cast<std::int64_t>(i) % one.shape.qkv_width() < keys) one.qkv[i] *= 64;
        }
        const AttentionResult there = run(one, *map_of(one), dtype, kGpu);
        if (dtype == DType::float64) {
          const AttentionResult host = run(one, *map_of(one), dtype, {});
          EXPECT_LE(largest_error(there.out, host.out), 1e-9) << "seed " << seed;
        }
        for (const double value : there.out) ASSERT_TRUE(std::isfinite(value)) << "seed " << seed;
        for (const double value : there.dqkv) ASSERT_TRUE(std::isfinite(value)) << "seed " << seed;
      }
    }
  }
}

TEST(CudaAttention, EmptyRows) {
  UNFOLD_NEEDS_GPU();
  const BlockMap map = make_block_map(make_layout(2, 0, 1, {}, {}), {}, Visibility::gist);
  const Tensor nothing = filled({0, 24}, 0, DType::float32, kGpu);
  const Tensor out = filled({0, 8}, 0, DType::float32, kGpu);
  const Tensor lse = filled({0, 1}, 0, DType::float32, kGpu);
  const AttentionShape shape{1, 1, 8};
  kernels::attention(nothing, shape, map, out, lse);
  kernels::attention_backward(out, nothing, out, lse, shape, map, nothing);
}

TEST(CudaAttention, HeadsThatAreTooWideAreAUsersError) {
  UNFOLD_NEEDS_GPU();
  const BlockMap map = make_block_map(
      make_layout(1, 1, 0, std::vector<std::int8_t>{-1}, std::vector<std::int32_t>{0}),
      {.chunks = {}}, Visibility::causal);
  const Tensor qkv = filled({1, 3 * 264}, 0, DType::float32, kGpu);
  const Tensor out = filled({1, 264}, 0, DType::float32, kGpu);
  const Tensor lse = filled({1, 1}, 0, DType::float32, kGpu);
  const AttentionShape shape{1, 1, 264};
  EXPECT_THROW(kernels::attention(qkv, shape, map, out, lse), core::UserError);
}

}  // namespace
}  // namespace unfold::gsa
