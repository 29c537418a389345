// Every kernel gives the same bits for one, two and three threads. (matmul_test.cpp: matmul.)
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/reduce.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using testing::random_indices;
using testing::random_tensor;

using Outputs = std::vector<Tensor>;
struct Case {
  std::string name;
  std::function<Outputs(DType)> run;  // fresh outputs of one call
};

constexpr std::int64_t kRows = 777;  // odd, so that threads cut inside rows, blocks and vectors
constexpr std::int64_t kWidth = 193;
const Shape kShape = {kRows, kWidth};

Tensor input(DType dtype, std::uint64_t seed) {
  return random_tensor(kShape, dtype, seed);
}
Tensor like(DType dtype) {
  return Tensor::empty(kShape, dtype);
}
Tensor vector(std::int64_t size, DType dtype) {
  return Tensor::zeros({size}, accumulator_of(dtype));
}

Outputs elementwise(DType t) {
  const Outputs y = {like(t),     like(t), like(t),
                     input(t, 3), like(t), Tensor::empty({kWidth, kRows}, DType::bfloat16)};
  const Tensor a = input(t, 1);
  const Tensor b = input(t, 2);
  kernels::add(a, b, y[0]);
  kernels::multiply(a, b, y[1]);
  kernels::scale(a, 0.3, y[2]);
  kernels::accumulate(a, 0.7, y[3]);
  kernels::dropout(a, 0.3, 1, 2, 0, y[4]);
  kernels::copy(a.transpose(0, 1), y[5]);
  return y;
}

Outputs reductions(DType t) {
  const Outputs y = {Tensor::empty({}, accumulator_of(t)), vector(kWidth, t),
                     Tensor::zeros({}, DType::float64)};
  kernels::sum(input(t, 1), y[0]);
  kernels::add_column_sums(input(t, 1), y[1]);
  kernels::add_squared_norm(input(t, 1), y[2]);
  return y;
}

Outputs rms_norm(DType t) {
  const Outputs y = {like(t), vector(kRows, t), like(t), vector(kWidth, t)};
  const Tensor weight = random_tensor({kWidth}, t, 4);
  kernels::rms_norm(input(t, 1), weight, 1e-5, y[0], y[1]);
  kernels::rms_norm_backward(input(t, 2), input(t, 1), weight, y[1], y[2], false, y[3], Tensor());
  return y;
}

Outputs rope(DType t) {
  const Outputs y = {Tensor::empty({kRows, 40}, t)};
  const Tensor table = random_tensor({50, 10}, accumulator_of(t), 5);
  kernels::rope(random_tensor({kRows, 40}, t, 1), random_indices(kRows, 50, 6), table, 3, false,
                y[0]);
  return y;
}

Outputs swiglu(DType t) {
  const Tensor gate_up = random_tensor({kRows, 2 * kWidth}, t, 1);
  const Outputs y = {like(t), Tensor::empty(gate_up.shape(), t)};
  kernels::swiglu(gate_up, y[0]);
  kernels::swiglu_backward(input(t, 2), gate_up, y[1], Tensor());
  return y;
}

Outputs cross_entropy(DType t) {
  const Outputs y = {input(t, 1), vector(kRows, t), vector(kRows, t)};
  const Tensor targets = random_indices(kRows, kWidth, 7);
  kernels::cross_entropy(y[0], targets, false, y[2]);
  kernels::cross_entropy(y[0], targets, true, y[1]);
  return y;
}

Outputs rows(DType t) {
  const Outputs y = {like(t), Tensor::zeros({20, kWidth}, accumulator_of(t))};
  const Tensor index = random_indices(kRows, 20, 8);
  kernels::gather_rows(input(t, 1), index, y[0]);
  kernels::scatter_add_rows(input(t, 1), index, y[1]);
  return y;
}

Outputs smooth_l1(DType t) {
  const Outputs y = {vector(kRows, t), like(t)};
  kernels::smooth_l1(input(t, 1), input(t, 2), y[0]);
  kernels::smooth_l1_backward(y[0], input(t, 1), input(t, 2), y[1]);
  return y;
}

Outputs adamw(DType t) {
  const DType wide = accumulator_of(t);
  const Outputs y = {input(wide, 1), Tensor::zeros(kShape, wide), Tensor::zeros(kShape, wide),
                     like(t)};
  kernels::AdamWStep step;
  step.lr = 0.01;
  for (step.step = 1; step.step <= 3; ++step.step) {
    kernels::adamw(y[0], input(t, 1 + static_cast<std::uint64_t>(step.step)), y[1], y[2], y[3],
                   step, 1.0);
  }
  return y;
}

Outputs narrow_matmul(DType t) {
  const Outputs y = {Tensor::empty({kRows, kRows}, t), input(accumulator_of(t), 3)};
  kernels::matmul(input(t, 1), false, input(t, 2), true, 1.0, 0.0, y[0]);
  kernels::matmul(y[0], false, input(t, 2), false, 0.5, 1.0, y[1]);
  return y;
}

TEST(Determinism, SameBitsForEveryThreadCount) {
  const Case cases[] = {{"elementwise", elementwise},
                        {"reductions", reductions},
                        {"rms_norm", rms_norm},
                        {"rope", rope},
                        {"swiglu", swiglu},
                        {"cross_entropy", cross_entropy},
                        {"rows", rows},
                        {"smooth_l1", smooth_l1},
                        {"adamw", adamw},
                        {"matmul", narrow_matmul}};
  for (const auto& [name, run] : cases) {
    for (const DType dtype : testing::kFloatTypes) {
      std::vector<Outputs> runs;
      for (const int count : {1, 2, 3}) {
        const testing::Threads threads(count);
        runs.push_back(run(dtype));
      }
      for (std::size_t i = 0; i < runs[0].size(); ++i) {
        for (const std::size_t other : {1u, 2u}) {
          EXPECT_TRUE(testing::same_bits(runs[other][i], runs[0][i]))
              << name << " " << name_of(dtype) << " output " << i << ", " << other + 1
              << " threads";
        }
      }
    }
  }
}

}  // namespace
}  // namespace unfold::core
