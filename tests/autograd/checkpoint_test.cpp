#include "autograd/checkpoint.h"

#include <gtest/gtest.h>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/swiglu.h"
#include "core/memory.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::autograd {
namespace {

using core::DType;
using testing::random_tensor;
using testing::values_of;

using Variables = std::vector<Variable>;
using Block = std::function<Variables(const Variables&)>;

// A residual MLP with dropout: its input is used twice, like that of a decoder layer.
struct Layer {
  Variable norm, up, down;

  Layer(std::int64_t width, DType dtype, std::uint64_t seed)
      : norm(random_tensor({width}, dtype, seed), true),
        up(random_tensor({4 * width, width}, dtype, seed + 1, 0.3), true),
        down(random_tensor({width, 2 * width}, dtype, seed + 2, 0.3), true) {}

  Variables parameters() const { return {norm, up, down}; }
  Variables operator()(const Variables& x) const {
    const Variable hidden = swiglu(linear(rms_norm(x[0], norm, 1e-5), up));
    return {add(x[0], dropout(linear(hidden, down), 0.2, 5, 6))};
  }
};

Variables run(bool checkpointed, const Block& block, const Variables& inputs,
              const Variables& parameters) {
  return checkpointed ? checkpoint(block, inputs, parameters) : block(inputs);
}

// Everything one training step produces: the output and all gradients.
std::vector<Tensor> step(bool checkpointed, DType dtype) {
  const Variable x(random_tensor({7, 6}, dtype, 1), true);
  const Layer first(6, dtype, 10);
  const Layer second(6, dtype, 20);
  const Variable embedded = scale(x, 0.7);
  const Variable hidden = run(checkpointed, first, {embedded}, first.parameters())[0];
  const Variable last = run(checkpointed, second, {hidden}, second.parameters())[0];
  // hidden and a parameter are used again outside, so that contributions meet from both sides.
  const Variable output = add(rms_norm(last, first.norm, 1e-5), hidden);
  backward({output}, {random_tensor({7, 6}, dtype, 30)});
  std::vector<Tensor> results = {output.value(), x.gradient()};
  for (const Layer* layer : {&first, &second}) {
    for (const Variable& parameter : layer->parameters()) results.push_back(parameter.gradient());
  }
  return results;
}

TEST(Checkpoint, ValuesAndGradientsAreBitEqual) {
  for (const DType dtype : testing::kFloatTypes) {
    const std::vector<Tensor> plain = step(false, dtype);
    const std::vector<Tensor> again = step(true, dtype);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      EXPECT_TRUE(testing::same_bits(again[i], plain[i])) << name_of(dtype) << " result " << i;
    }
  }
}

TEST(Checkpoint, NestedBlocks) {
  const auto gradient = [](bool outer, bool inner) {
    const Variable x(random_tensor({5, 6}, DType::float32, 1), true);
    const Layer layer(6, DType::float32, 10);
    const Block twice = [&](const Variables& in) {
      return run(inner, layer, run(inner, layer, in, layer.parameters()), layer.parameters());
    };
    backward(sum(run(outer, twice, {x}, layer.parameters())[0]));
    return std::vector<Tensor>{x.gradient(), layer.norm.gradient(), layer.up.gradient()};
  };
  const std::vector<Tensor> plain = gradient(false, false);
  for (const bool inner : {false, true}) {
    const std::vector<Tensor> nested = gradient(true, inner);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      EXPECT_TRUE(testing::same_bits(nested[i], plain[i])) << i;
    }
  }
}

TEST(Checkpoint, TakesLessMemory) {
  const auto peak = [](bool checkpointed) {
    std::vector<Layer> layers;
    for (std::uint64_t i = 0; i < 8; ++i) layers.emplace_back(16, DType::float32, 10 * i);
    core::reset_peak({});
    const std::int64_t start = core::memory_stats({}).current;
    Variable x(random_tensor({256, 16}, DType::float32, 1), true);
    for (const Layer& layer : layers) x = run(checkpointed, layer, {x}, layer.parameters())[0];
    backward(sum(x));
    return core::memory_stats({}).peak - start;
  };
  // A layer saves 1 + 1 + 4 + 2 widths a row; checkpointed 1, and one layer's worth at a time.
  EXPECT_LT(peak(true), 0.5 * static_cast<double>(peak(false)));
}

TEST(Checkpoint, HooksFireOnceAfterTheLastUse) {
  // The parameter is used in two checkpoints and outside, and named twice in one of the lists.
  const Variable x(random_tensor({3, 4}, DType::float64, 1), true);
  const Variable w(random_tensor({4}, DType::float64, 2), true);
  const Block block = [&](const Variables& in) { return Variables{rms_norm(in[0], w, 1e-3)}; };
  const auto loss = [&](bool checkpointed) {
    Variable y = run(checkpointed, block, {x}, {w, w})[0];
    y = run(checkpointed, block, {add(y, x)}, {w})[0];
    return sum(rms_norm(y, w, 1e-3));
  };
  backward(loss(false));
  const Tensor expected = w.gradient();
  Variable(w).clear_gradient();

  int calls = 0;
  Tensor seen;
  w.slot()->on_ready = [&](const Tensor& gradient) {
    ++calls;
    seen = gradient.clone();
  };
  backward(loss(true));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(testing::same_bits(seen, expected));
  EXPECT_TRUE(testing::same_bits(w.gradient(), expected));
  Variable(w).clear_gradient();
  backward(loss(true));
  EXPECT_EQ(calls, 2) << "the hook was lost";
}

TEST(Checkpoint, HooksOfInputsThatAreLeaves) {
  const Variable x(random_tensor({3, 4}, DType::float64, 1), true);
  int calls = 0;
  x.slot()->on_ready = [&](const Tensor& gradient) {
    ++calls;
    EXPECT_TRUE(gradient.defined());
  };
  const Block square = [](const Variables& in) { return Variables{multiply(in[0], in[0])}; };
  backward(sum(add(checkpoint(square, {x}, {})[0], x)));
  EXPECT_EQ(calls, 1);
}

TEST(Checkpoint, OneVariableAsTwoInputsAndAsParameter) {
  const Tensor value = random_tensor({3, 4}, DType::float64, 1);
  const auto gradient = [&](bool checkpointed) {
    const Variable x(value, true);
    const Block block = [&](const Variables& in) {
      return Variables{multiply(multiply(in[0], in[1]), x)};
    };
    backward(sum(run(checkpointed, block, {x, x}, {x})[0]));
    return values_of(x.gradient());
  };
  EXPECT_LE(testing::relative_error(gradient(true), gradient(false)), 1e-15);
}

TEST(Checkpoint, SeveralOutputsOfWhichSomeAreUnused) {
  const auto gradients = [](bool checkpointed) {
    const Variable x(random_tensor({2, 3}, DType::float64, 1), true);
    const Variable constant(random_tensor({2, 3}, DType::float64, 2));
    // Outputs: used; not used; not differentiable; an input handed through.
    const Block block = [](const Variables& in) {
      return Variables{multiply(in[0], in[1]), scale(in[0], 2), scale(in[1], 3), in[0]};
    };
    const Variables out = run(checkpointed, block, {x, constant}, {});
    backward(sum(add(add(out[0], out[2]), out[3])));
    return values_of(x.gradient());
  };
  EXPECT_EQ(gradients(true), gradients(false));
}

TEST(Checkpoint, WithoutGradientsTheBlockRunsOnce) {
  int runs = 0;
  const Block block = [&](const Variables& in) {
    ++runs;
    return Variables{scale(in[0], 2)};
  };
  const Variable constant(random_tensor({2}, DType::float64, 1));
  EXPECT_FALSE(checkpoint(block, {constant}, {})[0].requires_grad());
  const Variable x(random_tensor({2}, DType::float64, 1), true);
  {
    const NoGrad no_grad;
    EXPECT_FALSE(checkpoint(block, {x}, {})[0].requires_grad());
  }
  EXPECT_EQ(runs, 2);
  backward(sum(checkpoint(block, {x}, {})[0]));
  EXPECT_EQ(runs, 4);
}

}  // namespace
}  // namespace unfold::autograd
