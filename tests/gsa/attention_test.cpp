#include "gsa/attention.h"

#include <gtest/gtest.h>
#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>

#include "autograd/gradient_check.h"
#include "autograd/ops/arithmetic.h"
#include "core/random.h"
#include "gsa/kernels/attention.h"
#include "tests/gsa/attention_case.h"

namespace unfold::gsa {
namespace {

using autograd::Variable;
using core::DType;
using core::Tensor;

DenseAttention run_op(const AttentionCase& one, DType dtype) {
  const std::int64_t tokens = one.layout.size();
  const Variable qkv(Tensor::from(one.qkv, {tokens, one.shape.qkv_width()}).to(dtype), true);
  const Variable out = attention(qkv, one.shape, map_of(one));
  autograd::backward({out}, {Tensor::from(one.dout, {tokens, one.shape.out_width()}).to(dtype)});
  return {out.value().to_vector<double>(), qkv.gradient().to_vector<double>()};
}

class AttentionOfLevels : public testing::TestWithParam<int> {};

TEST_P(AttentionOfLevels, EqualsTheDenseReference) {
  for (std::uint64_t seed = 0; seed < 42; ++seed) {
    const AttentionCase one =
        make_attention_case(seed, GetParam(), 45 + static_cast<std::int64_t>(seed), DType::float64);
    const DenseAttention expected = run_dense(one, DType::float64);
    const DenseAttention actual = run_op(one, DType::float64);
    ASSERT_LE(largest_error(actual.out, expected.out), 1e-13) << "seed " << seed;
    ASSERT_LE(largest_error(actual.dqkv, expected.dqkv), 1e-12) << "seed " << seed;
  }
}

TEST_P(AttentionOfLevels, EqualsTheDenseReferenceWithLinks) {
  if (GetParam() == 0) GTEST_SKIP() << "links stand behind gists";
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const AttentionCase one = make_attention_case(
        seed, GetParam(), 60 + static_cast<std::int64_t>(seed), DType::float64, true);
    const DenseAttention expected = run_dense(one, DType::float64);
    const DenseAttention actual = run_op(one, DType::float64);
    ASSERT_LE(largest_error(actual.out, expected.out), 1e-13) << "seed " << seed;
    ASSERT_LE(largest_error(actual.dqkv, expected.dqkv), 1e-12) << "seed " << seed;
  }
}

TEST_P(AttentionOfLevels, LowPrecisionIsAsGoodAsTheComposedVersion) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    double error = 0;
    double allowed = 0;
    double gradient_error = 0;
    double gradient_allowed = 0;
    for (std::uint64_t seed = 100; seed < 121; ++seed) {
      const AttentionCase one = make_attention_case(seed, GetParam(), 70, dtype);
      const DenseAttention expected = run_dense(one, DType::float64);
      const DenseAttention composed = run_dense(one, dtype);
      const DenseAttention actual = run_op(one, dtype);
      error += mean_square_error(actual.out, expected.out);
      allowed += mean_square_error(composed.out, expected.out);
      gradient_error += mean_square_error(actual.dqkv, expected.dqkv);
      gradient_allowed += mean_square_error(composed.dqkv, expected.dqkv);
    }
    EXPECT_LE(std::sqrt(error), 2 * std::sqrt(allowed)) << core::name_of(dtype);
    EXPECT_LE(std::sqrt(gradient_error), 2 * std::sqrt(gradient_allowed)) << core::name_of(dtype);
    EXPECT_GT(error, 0);
  }
}

TEST_P(AttentionOfLevels, GradientByDifferences) {
  const RandomLayoutOptions options{.rows = 2, .length = 11, .levels = GetParam(), .max_chunk = 2};
  RandomLayoutOptions with_links = options;
  with_links.length = 24;
  with_links.max_chunks = 2;
  with_links.links = true;
  for (std::uint64_t seed = 0; seed < (GetParam() == 0 ? 6 : 12); ++seed) {
    const AttentionShape shape{
        .heads = 2, .kv_heads = 1 + static_cast<std::int64_t>(seed % 2), .width = 3};
    const Layout layout = random_layout(seed, seed < 6 ? options : with_links);
    const auto map = std::make_shared<const BlockMap>(
        make_block_map(layout, random_gist_config(seed, options),
                       seed < 6 ? kModes[seed % 3] : Visibility::gist, 4));
    const Variable weights(
        Tensor::from(random_values(layout.size() * shape.out_width(), seed + 50, DType::float64),
                     {layout.size(), shape.out_width()}));
    const autograd::GradientCheck check = autograd::check_gradient(
        [&](const std::vector<Variable>& inputs) {
          return autograd::sum(autograd::multiply(attention(inputs[0], shape, map), weights));
        },
        {Tensor::from(random_values(layout.size() * shape.qkv_width(), seed + 60, DType::float64),
                      {layout.size(), shape.qkv_width()})});
    EXPECT_LE(check.worst, 1e-9) << "seed " << seed << " element " << check.element << ": "
                                 << check.analytic << " by differences " << check.numeric;
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, AttentionOfLevels, testing::Values(0, 1, 2, 3));

// Rows long enough that a tile's keys come in several blocks of columns.
TEST(Attention, LongRowsTakeSeveralBlocks) {
  for (const Visibility mode : kModes) {
    for (const int levels : {1, 2}) {
      AttentionCase one = make_attention_case(7, levels, 700, DType::float64);
      one.shape = {.heads = 4, .kv_heads = 2, .width = 8};
      one.visibility = mode;
      one.tile = 32;
      const RandomLayoutOptions options{.rows = 2,
                                        .length = 700,
                                        .levels = levels,
                                        .max_chunk = 3,
                                        .max_chunks = 200,
                                        .documents = false};
      one.layout = random_layout(7, options);
      one.qkv.resize(static_cast<std::size_t>(one.layout.size() * one.shape.qkv_width()));
      one.dout.resize(static_cast<std::size_t>(one.layout.size() * one.shape.out_width()));
      const DenseAttention expected = run_dense(one, DType::float64);
      const DenseAttention actual = run_op(one, DType::float64);
      EXPECT_LE(largest_error(actual.out, expected.out), 1e-13);
      EXPECT_LE(largest_error(actual.dqkv, expected.dqkv), 1e-12);
    }
  }
}

// Scores of about +-1e4: softmax is one-hot, hidden scores are far above visible ones.
TEST(Attention, ExtremeScoresStayFinite) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    for (std::uint64_t seed = 0; seed < 9; ++seed) {
      AttentionCase one = make_attention_case(seed, 1 + static_cast<int>(seed % 2), 60, dtype);
      const std::int64_t keys = (one.shape.heads + one.shape.kv_heads) * one.shape.width;
      for (std::size_t i = 0; i < one.qkv.size(); ++i) {
        if (static_cast<std::int64_t>(i) % one.shape.qkv_width() < keys) one.qkv[i] *= 64;
      }
      const DenseAttention expected = run_dense(one, DType::float64);
      const DenseAttention actual = run_op(one, dtype);
      const double loose = dtype == DType::float64 ? 1e-9 : 0.1;
      EXPECT_LE(largest_error(actual.out, expected.out), loose) << "seed " << seed;
      for (const double value : actual.dqkv) ASSERT_TRUE(std::isfinite(value)) << "seed " << seed;
    }
  }
}

// A query whose own score is the lowest of all, under keys it does not see.
TEST(Attention, HiddenScoresDoNotLeak) {
  const Layout layout = make_layout(1, 6, 1, std::vector<std::int8_t>{-1, -1, 0, -1, -1, 0},
                                    std::vector<std::int32_t>(6, 0));
  const GistConfig config{.chunks = {2}, .sinks = 0, .previous_chunks = 0};
  const AttentionShape shape{.heads = 1, .kv_heads = 1, .width = 1};
  // query, key, value: hidden raw tokens have scores of 1e30 and values of 1e30.
  const std::vector<float> qkv = {1, 1e30f, 1e30f, 1, 1e30f, 1e30f, 1, -20, 3,
                                  1, -30,   5,     1, -30,   5,     1, -30, 5};
  const auto map =
      std::make_shared<const BlockMap>(make_block_map(layout, config, Visibility::gist));
  const std::vector<float> out =
      attention(Variable(Tensor::from(qkv, {6, 3})), shape, map).value().to_vector<float>();
  EXPECT_NEAR(out[3], 3, 1e-3);  // sees the first gist and itself
  EXPECT_NEAR(out[4], 3, 1e-3);
}

TEST(Attention, BitEqualForAnyThreadCount) {
  const int before = omp_get_max_threads();
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      AttentionCase one = make_attention_case(seed, 1 + static_cast<int>(seed % 3), 150, dtype);
      omp_set_num_threads(1);
      const DenseAttention serial = run_op(one, dtype);
      for (const int threads : {2, 3}) {
        omp_set_num_threads(threads);
        const DenseAttention parallel = run_op(one, dtype);
        EXPECT_EQ(parallel.out, serial.out);
        EXPECT_EQ(parallel.dqkv, serial.dqkv);
      }
      omp_set_num_threads(before);
    }
  }
}

// The tile is a matter of speed: results agree but for rounding.
TEST(Attention, TileSizeDoesNotMatter) {
  AttentionCase one = make_attention_case(4, 2, 130, DType::float64);
  one.visibility = Visibility::gist;
  const DenseAttention first = run_op(one, DType::float64);
  for (const std::int64_t tile : {1, 7, 16, 48, 64, 130, 1000}) {
    one.tile = tile;
    const DenseAttention other = run_op(one, DType::float64);
    EXPECT_LE(largest_error(first.out, other.out), 1e-14) << "tile " << tile;
    EXPECT_LE(largest_error(first.dqkv, other.dqkv), 1e-13) << "tile " << tile;
  }
}

TEST(Attention, EmptyRowsAndBadShapes) {
  const GistConfig config;
  const auto map = std::make_shared<const BlockMap>(
      make_block_map(make_layout(2, 0, 1, {}, {}), config, Visibility::gist));
  const Tensor empty = Tensor::empty({0, 24}, DType::float32);
  EXPECT_EQ(attention(Variable(empty), {1, 1, 8}, map).shape(), (core::Shape{0, 8}));
  EXPECT_THROW(attention(Variable(empty), {3, 2, 8}, map), core::InternalError);
  EXPECT_THROW(attention(Variable(empty), {2, 1, 8}, map), core::InternalError);
  EXPECT_THROW(attention(Variable(Tensor::empty({4, 24}, DType::float32)), {1, 1, 8}, map),
               core::InternalError);
}

// One document with a gist behind every `chunk` raw tokens.
Layout chunked(std::int64_t length, std::int64_t chunk) {
  std::vector<std::int8_t> level(static_cast<std::size_t>(length), -1);
  for (std::int64_t t = chunk; t < length; t += chunk + 1) level[static_cast<std::size_t>(t)] = 0;
  return make_layout(1, length, 1, level, std::vector<std::int32_t>(level.size(), 0));
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

// 16384 tokens: a length x length matrix of floats would take 1 GiB.
TEST(Attention, LongRowsNeedNeitherQuadraticMemoryNorQuadraticWork) {
  constexpr std::int64_t kLength = 16384;
  const GistConfig config{.chunks = {8}};
  const AttentionShape shape{.heads = 1, .kv_heads = 1, .width = 8};
  const Layout layout = chunked(kLength, 8);
  const auto map =
      std::make_shared<const BlockMap>(make_block_map(layout, config, Visibility::gist));
  const std::int64_t causal = make_block_map(layout, config, Visibility::causal).visited_keys();
  // A tile reads the gists so far, a ninth of the tokens, and a raw diagonal no wider than itself
  // and two chunks.
  EXPECT_LE(map->visited_keys(),
            causal / 9 + map->tiles_per_row * (map->query_tile + 3 * 9 + config.sinks));

  const std::int64_t before = peak_resident_bytes();
  const Variable qkv(Tensor::from(random_values(kLength * shape.qkv_width(), 3, DType::float32),
                                  {kLength, shape.qkv_width()})
                         .to(DType::float32),
                     true);
  const Variable out = attention(qkv, shape, map);
  autograd::backward(autograd::sum(out));
  EXPECT_LE(peak_resident_bytes() - before, 64 << 20);

  // The last query, by the definition.
  const std::vector<float> value = qkv.value().to_vector<float>();
  const std::int64_t q = kLength - 1;
  double total = 0;
  std::vector<double> sum(8, 0.0);
  for (std::int64_t k = 0; k < kLength; ++k) {
    if (map->reach.at(0, 0, k) <= q) continue;
    double score = 0;
    for (std::int64_t d = 0; d < 8; ++d) {
      score += double{value[static_cast<std::size_t>(q * 24 + d)]} *
               double{value[static_cast<std::size_t>(k * 24 + 8 + d)]};
    }
    const double weight = std::exp(score / std::sqrt(8.0));
    total += weight;
    for (std::size_t d = 0; d < 8; ++d) {
      sum[d] += weight * double{value[static_cast<std::size_t>(k * 24 + 16) + d]};
    }
  }
  const std::vector<float> last = out.value().slice(0, q, q + 1).to_vector<float>();
  for (std::size_t d = 0; d < 8; ++d) EXPECT_NEAR(last[d], sum[d] / total, 1e-5);
}

}  // namespace
}  // namespace unfold::gsa
