#include "gsa/cpt_objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient_check.h"
#include "core/error.h"

namespace unfold::gsa {
namespace {

using autograd::Variable;
using core::Tensor;
using Targets = std::vector<std::int32_t>;

TEST(DropPrefixTargets, OneLevel) {
  // a b g c d g x y | e f g z (second document) | padding
  const Layout layout = make_layout(
      1, 13, 1, std::vector<std::int8_t>{-1, -1, 0, -1, -1, 0, -1, -1, -1, -1, 0, -1, -1},
      std::vector<std::int32_t>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, -1});
  Targets targets = {10, 11, 12, 13, 14, 15, 16, -1, 20, 21, 22, -1, -1};
  drop_prefix_targets(layout, targets, -1);
  // The last gist of each document predicts the first token of its suffix.
  EXPECT_EQ(targets, (Targets{-1, -1, -1, -1, -1, 15, 16, -1, -1, -1, 22, -1, -1}));
}

TEST(DropPrefixTargets, OnlyTheTopLevelEndsAPrefix) {
  // a g b g G c g x: the suffix begins behind G.
  const Layout layout = make_layout(1, 8, 2, std::vector<std::int8_t>{-1, 0, -1, 0, 1, -1, 0, -1},
                                    std::vector<std::int32_t>(8, 0));
  Targets targets = {1, 2, 3, 4, 5, 6, 7, 8};
  drop_prefix_targets(layout, targets, -100);
  EXPECT_EQ(targets, (Targets{-100, -100, -100, -100, 5, 6, 7, 8}));
}

TEST(DropPrefixTargets, RowsAreSeparateAndDocumentsWithoutGistsKeepAll) {
  const Layout layout = make_layout(2, 3, 1, std::vector<std::int8_t>{-1, -1, 0, -1, -1, -1},
                                    std::vector<std::int32_t>{0, 0, 0, 0, 0, 0});
  Targets targets = {1, 2, 3, 4, 5, 6};
  drop_prefix_targets(layout, targets, -1);
  EXPECT_EQ(targets, (Targets{-1, -1, 3, 4, 5, 6}));
  const Layout plain =
      make_layout(1, 3, 0, std::vector<std::int8_t>(3, -1), std::vector<std::int32_t>(3, 0));
  Targets all = {1, 2, 3};
  drop_prefix_targets(plain, all, -1);
  EXPECT_EQ(all, (Targets{1, 2, 3}));
}

std::vector<double> wave(std::int64_t count, double phase) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(2.5 * std::sin(0.7 * static_cast<double>(i) + phase));
  }
  return values;
}

TEST(AlignmentSum, ValueAndGradient) {
  constexpr std::int64_t kTokens = 5;
  constexpr std::int64_t kWidth = 3;
  const Targets raw = {0, 1, 3};
  const Tensor rows = Tensor::from(raw, {3});
  std::vector<Tensor> gist_layers;
  std::vector<Tensor> raw_layers;
  for (int layer = 0; layer < 2; ++layer) {
    gist_layers.push_back(Tensor::from(wave(kTokens * kWidth, layer), {kTokens, kWidth}));
    raw_layers.push_back(Tensor::from(wave(kTokens * kWidth, layer + 0.4), {kTokens, kWidth}));
  }
  double expected = 0;
  for (int layer = 0; layer < 2; ++layer) {
    const std::vector<double> a = wave(kTokens * kWidth, layer);
    const std::vector<double> b = wave(kTokens * kWidth, layer + 0.4);
    for (const std::int32_t token : raw) {
      for (std::int64_t i = 0; i < kWidth; ++i) {
        const auto at = static_cast<std::size_t>(token * kWidth + i);
        const double d = std::abs(a[at] - b[at]);
        expected += (d < 1 ? 0.5 * d * d : d - 0.5) / 2;  // mean over two layers
      }
    }
  }
  const auto loss = [&](const std::vector<Variable>& layers) {
    return alignment_sum(layers, raw_layers, rows);
  };
  EXPECT_NEAR(loss({Variable(gist_layers[0]), Variable(gist_layers[1])}).value().item(), expected,
              1e-12);
  const autograd::GradientCheck check = autograd::check_gradient(loss, gist_layers);
  EXPECT_LE(check.worst, 1e-9) << "layer " << check.input << " element " << check.element;

  // Tokens that are not raw have no part in it.
  const Variable leaf(gist_layers[0].clone(), true);
  autograd::backward(alignment_sum({leaf}, {raw_layers[0]}, rows));
  const std::vector<double> gradient = leaf.gradient().to_vector<double>();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(gradient[2 * 3 + i], 0);
}

TEST(AlignmentSum, RejectsDifferentDepths) {
  const Tensor x = Tensor::zeros({2, 2}, core::DType::float64);
  const Tensor rows = Tensor::from(Targets{0}, {1});
  EXPECT_THROW(alignment_sum({}, {}, rows), core::InternalError);
  EXPECT_THROW(alignment_sum({Variable(x)}, {x, x}, rows), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
