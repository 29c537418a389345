#include "gsa/routing_loss.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>

#include "autograd/ops/arithmetic.h"
#include "core/error.h"
#include "core/random.h"
#include "tests/gsa/dense_routing.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {
namespace {

using autograd::Variable;
using core::DType;
using core::Tensor;

constexpr AttentionShape kShapes[] = {{2, 2, 8}, {4, 2, 5}, {4, 1, 12}, {7, 1, 9}};

struct Case {
  AttentionShape shape;
  Layout layout;
  std::vector<std::int32_t> select_from;
  ChunkTable table;
  std::vector<double> qkv;
};

Case make_case(std::uint64_t seed, int levels, std::int64_t length, bool links = false) {
  const RandomLayoutOptions options{.rows = 2, .length = length, .levels = levels, .links = links};
  Case one{kShapes[seed % std::size(kShapes)], random_layout(seed, options), {}, {}, {}};
  core::Random random(seed + 77);
  if (seed % 3 == 2 && !links) {  // text that selects from somewhere inside
    for (std::int64_t row = 0; row < 2; ++row) {
      for (const DocumentSpan& span : document_spans(one.layout, row)) {
        const auto width = static_cast<std::uint32_t>(span.end - span.begin + 1);
        one.select_from.push_back(span.begin + static_cast<std::int32_t>(random.below(width)));
      }
    }
  }
  one.table = make_chunk_table(one.layout, one.select_from);
  one.qkv.resize(static_cast<std::size_t>(one.layout.size() * one.shape.qkv_width()));
  for (double& value : one.qkv) value = 1.5 * random.normal();
  return one;
}

Variable qkv_of(const Case& one, DType dtype) {
  const core::Shape shape = {one.layout.size(), one.shape.qkv_width()};
  return Variable(Tensor::from(one.qkv, shape).to(dtype), true);
}

class RoutingLossOfLevels : public testing::TestWithParam<int> {};

TEST_P(RoutingLossOfLevels, EqualsTheDefinition) {
  int with_queries = 0;
  for (std::uint64_t seed = 0; seed < 90; ++seed) {
    Case one = make_case(seed, GetParam(), 60, seed >= 60);
    RoutingTargets targets;
    const double expected =
        dense_routing_loss(one.qkv, one.shape, one.layout, one.select_from, targets);
    with_queries += expected > 0 ? 1 : 0;
    const auto loss = [&](DType dtype) {
      return routing_loss(qkv_of(one, dtype), one.shape, one.table, one.layout.length)
          .value()
          .item();
    };
    EXPECT_NEAR(loss(DType::float64), expected, 1e-11 * std::max(1.0, expected)) << seed;
    EXPECT_NEAR(loss(DType::float32), expected, 1e-5 * std::max(1.0, expected)) << seed;
  }
  EXPECT_GE(with_queries, 30);
}

// Targets are constants: differences are taken with those of the point itself.
TEST_P(RoutingLossOfLevels, GradientByDifferences) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    Case one = make_case(seed, GetParam(), 30);
    const Variable qkv = qkv_of(one, DType::float64);
    const Variable loss = routing_loss(qkv, one.shape, one.table, one.layout.length);
    autograd::backward(autograd::scale(loss, 0.5));
    const std::vector<double> gradient = qkv.gradient().to_vector<double>();
    RoutingTargets targets;
    dense_routing_loss(one.qkv, one.shape, one.layout, one.select_from, targets);
    if (targets.empty()) continue;
    std::vector<double> moved = one.qkv;
    for (std::size_t i = 0; i < moved.size(); ++i) {
      const auto at = [&](double offset) {
        moved[i] = one.qkv[i] + offset;
        return dense_routing_loss(moved, one.shape, one.layout, one.select_from, targets);
      };
      constexpr double kStep = 1e-3;
      const double numeric =
          (at(-2 * kStep) - 8 * at(-kStep) + 8 * at(kStep) - at(2 * kStep)) / (12 * kStep);
      moved[i] = one.qkv[i];
      ASSERT_NEAR(gradient[i], 0.5 * numeric, 1e-8 * std::max(1.0, std::abs(numeric)))
          << "seed " << seed << " element " << i;
    }
  }
}

TEST_P(RoutingLossOfLevels, BitEqualForAnyThreadCount) {
  const int before = omp_get_max_threads();
  const Case one = make_case(1, GetParam(), 300);
  std::vector<double> first;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    const Variable qkv = qkv_of(one, DType::float32);
    const Variable loss = routing_loss(qkv, one.shape, one.table, one.layout.length);
    autograd::backward(loss);
    std::vector<double> result = qkv.gradient().to_vector<double>();
    result.push_back(loss.value().item());
    if (first.empty()) first = result;
    EXPECT_EQ(result, first) << threads;
  }
  omp_set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Levels, RoutingLossOfLevels, testing::Values(1, 2, 3));

// Gradients reach queries of the suffix and gist keys, nothing else.
TEST(RoutingLoss, TouchesQueriesAndGistKeysAlone) {
  const Case one = make_case(4, 2, 60);
  const Variable qkv = qkv_of(one, DType::float64);
  autograd::backward(routing_loss(qkv, one.shape, one.table, one.layout.length));
  const std::vector<double> gradient = qkv.gradient().to_vector<double>();
  std::vector<bool> selects(static_cast<std::size_t>(one.layout.size()), false);
  for (const auto& query : one.table.suffix) {
    const DocumentChunks& document = one.table.document_of(query);
    selects[static_cast<std::size_t>(document.row * one.layout.length + query.position)] = true;
  }
  const std::int64_t queries = one.shape.heads * one.shape.width;
  const std::int64_t keys = queries + one.shape.kv_heads * one.shape.width;
  double touched = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const auto token = i / static_cast<std::size_t>(one.shape.qkv_width());
    const auto column = static_cast<std::int64_t>(i) % one.shape.qkv_width();
    const bool may =
        column < queries ? selects[token] : column < keys && one.layout.level[token] >= 0;
    touched += std::abs(gradient[i]);
    if (!may) {
      EXPECT_EQ(gradient[i], 0) << "token " << token << " column " << column;
    }
  }
  EXPECT_GT(touched, 0.1);
}

// A context longer than a block of scores holds, scores so large that softmax is one-hot.
TEST(RoutingLoss, LongContextsAndExtremeScores) {
  const RandomLayoutOptions options{.rows = 1,
                                    .length = 3000,
                                    .levels = 2,
                                    .max_chunks = 500,
                                    .max_suffix = 6,
                                    .padding = false,
                                    .documents = false};
  Case one{{2, 1, 4}, random_layout(5, options), {}, {}, {}};
  one.table = make_chunk_table(one.layout);
  core::Random random(3);
  one.qkv.resize(static_cast<std::size_t>(one.layout.size() * one.shape.qkv_width()));
  for (double& value : one.qkv) value = random.normal();
  RoutingTargets targets;
  const double expected = dense_routing_loss(one.qkv, one.shape, one.layout, {}, targets);
  ASSERT_GT(expected, 0);
  EXPECT_NEAR(routing_loss(qkv_of(one, DType::float64), one.shape, one.table, 3000).value().item(),
              expected, 1e-10 * expected);
  for (double& value : one.qkv) value *= 60;
  const Variable qkv = qkv_of(one, DType::float32);
  const Variable loss = routing_loss(qkv, one.shape, one.table, 3000);
  EXPECT_TRUE(std::isfinite(loss.value().item()));
  autograd::backward(loss);
  for (const double value : qkv.gradient().to_vector<double>()) ASSERT_TRUE(std::isfinite(value));
}

TEST(RoutingLoss, WithoutQueriesIsZero) {
  const Layout layout = make_layout(1, 3, 1, std::vector<std::int8_t>{-1, -1, -1},
                                    std::vector<std::int32_t>{0, 0, 0});
  const ChunkTable table = make_chunk_table(layout);
  const AttentionShape shape{2, 1, 4};
  EXPECT_EQ(routing_terms(table, shape), 0);
  const Variable qkv(Tensor::full({3, 16}, 1.0, DType::float64), true);
  const Variable loss = routing_loss(qkv, shape, table, 3);
  EXPECT_EQ(loss.value().item(), 0);
  autograd::backward(loss);
  EXPECT_EQ(qkv.gradient().to_vector<double>(), std::vector<double>(48, 0.0));
  EXPECT_THROW(routing_loss(qkv, shape, table, 2), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
