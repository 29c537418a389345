#include "core/kernels/optimizer.h"

#include <gtest/gtest.h>

#include "tests/core/tensor_helpers.h"

namespace unfold::core {
namespace {

using kernels::AdamWStep;
using testing::random_tensor;
using testing::values_of;

// AdamW in float64, one element at a time, as the paper writes it.
struct Reference {
  std::vector<double> weight, m, v;

  void update(const std::vector<double>& gradient, const AdamWStep& s, double scale) {
    for (std::size_t i = 0; i < weight.size(); ++i) {
      const double g = gradient[i] * scale;
      m[i] = s.beta1 * m[i] + (1 - s.beta1) * g;
      v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(s.beta1, s.step));
      const double v_hat = v[i] / (1 - std::pow(s.beta2, s.step));
      weight[i] -= s.lr * s.weight_decay * weight[i];
      weight[i] -= s.lr * m_hat / (std::sqrt(v_hat) + s.eps);
    }
  }
};

constexpr double kScale = 0.5;  // of the gradients

AdamWStep settings(std::int64_t step) {
  AdamWStep s;
  s.lr = 1e-2 * static_cast<double>(1 + step % 3);
  s.weight_decay = 0.1;
  s.step = step;
  return s;
}

// Twenty steps with the given dtypes; returns the worst error of the master weights.
double worst_error(DType parameter_type, DType gradient_type, std::int64_t size) {
  const DType wide = accumulator_of(parameter_type);
  const Tensor master = random_tensor({size}, wide, 1);
  const Tensor m = Tensor::zeros({size}, wide);
  const Tensor v = Tensor::zeros({size}, wide);
  const Tensor parameter = parameter_type == wide ? master : master.to(parameter_type);
  const std::vector<double> zeros(static_cast<std::size_t>(size), 0.0);
  Reference reference{values_of(master), zeros, zeros};
  for (std::int64_t step = 1; step <= 20; ++step) {
    const Tensor gradient =
        random_tensor({size}, gradient_type, 100 + static_cast<std::uint64_t>(step), 3.0);
    kernels::adamw(master, gradient, m, v, parameter, settings(step), kScale);
    reference.update(values_of(gradient), settings(step), kScale);
    // What the model sees is the master, rounded once.
    EXPECT_TRUE(testing::same_bits(parameter, master.to(parameter_type)));
  }
  return testing::worst_difference(values_of(master), reference.weight);
}

TEST(AdamW, TwentyStepsAgainstFloat64) {
  for (const std::int64_t size : {1, 17, 5000}) {
    EXPECT_LE(worst_error(DType::float64, DType::float64, size), 1e-13);
    EXPECT_LE(worst_error(DType::float32, DType::float32, size), 2e-6);
  }
}

TEST(AdamW, Bfloat16ParametersWithFloat32Master) {
  EXPECT_LE(worst_error(DType::bfloat16, DType::bfloat16, 3001), 2e-6);
  // Autograd collects the gradients of bfloat16 parameters in float32.
  EXPECT_LE(worst_error(DType::bfloat16, DType::float32, 3001), 2e-6);
}

// Steps far below the spacing of bfloat16 are not lost: the master collects them.
TEST(AdamW, SmallStepsAddUpInTheMaster) {
  const Tensor master = Tensor::full({4}, 1.0, DType::float32);
  const Tensor parameter = master.to(DType::bfloat16);
  const Tensor m = Tensor::zeros({4}, DType::float32);
  const Tensor v = Tensor::zeros({4}, DType::float32);
  const Tensor gradient = Tensor::full({4}, 1.0, DType::bfloat16);
  AdamWStep s;
  s.lr = 1e-4;
  for (s.step = 1; s.step <= 100; ++s.step) {
    kernels::adamw(master, gradient, m, v, parameter, s, 1.0);
  }
  EXPECT_NEAR(values_of(master)[0], 0.99, 1e-5);  // a constant gradient moves lr a step
  EXPECT_EQ(values_of(parameter)[0], values_of(master.to(DType::bfloat16))[0]);
  EXPECT_LT(values_of(parameter)[0], 1.0);
}

TEST(AdamW, ZeroGradientOnlyDecays) {
  const Tensor weight = Tensor::full({3}, 2.0, DType::float64);
  const Tensor zeros = Tensor::zeros({3}, DType::float64);
  AdamWStep s;
  s.lr = 0.1;
  s.weight_decay = 0.5;
  kernels::adamw(weight, zeros, zeros.clone(), zeros.clone(), weight, s, 1.0);
  EXPECT_NEAR(values_of(weight)[0], 1.9, 1e-15);
}

// One call for many parameters is the calls one by one, in every bit.
TEST(AdamW, ManyParametersAtOnce) {
  for (const DType dtype : testing::kFloatTypes) {
    const DType wide = accumulator_of(dtype);
    kernels::AdamWLaunch launch;
    std::vector<kernels::AdamWUpdate>& updates = launch.updates;
    std::vector<kernels::AdamWUpdate> alone;
    for (const std::int64_t size : {5, 0, 1, 20000, 300}) {
      const auto seed = static_cast<std::uint64_t>(size);
      for (std::vector<kernels::AdamWUpdate>* list : {&updates, &alone}) {
        const Tensor master = random_tensor({size}, wide, seed);
        // The gradient of size 300 is not there: zeros.
        list->push_back({master,
                         size == 300 && list == &updates ? Tensor()
                         : size == 300                   ? Tensor::zeros({size}, wide)
                                                         : random_tensor({size}, wide, seed + 1),
                         random_tensor({size}, wide, seed + 2), Tensor::full({size}, 0.25, wide),
                         master.to(dtype), settings(size + 1)});
      }
    }
    kernels::adamw_lay_out(launch);
    kernels::adamw_all(launch, kScale);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      const kernels::AdamWUpdate& one = alone[i];
      kernels::adamw(one.master, one.gradient, one.m, one.v, one.parameter, one.step, kScale);
      EXPECT_TRUE(testing::same_bits(updates[i].master, one.master)) << i;
      EXPECT_TRUE(testing::same_bits(updates[i].m, one.m)) << i;
      EXPECT_TRUE(testing::same_bits(updates[i].v, one.v)) << i;
      EXPECT_TRUE(testing::same_bits(updates[i].parameter, one.parameter)) << i;
    }
  }
}

}  // namespace
}  // namespace unfold::core
