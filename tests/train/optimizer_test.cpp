#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops/arithmetic.h"
#include "core/kernels/elementwise.h"
#include "tests/train/tiny_run.h"

namespace unfold::train {
namespace {

using core::DType;

models::Decoder make_decoder(DType dtype, models::DecoderConfig config = testing::tiny_decoder()) {
  return models::Decoder(config, 1, dtype, core::Device{}, 3);
}

std::vector<double> values(const core::Tensor& tensor) {
  return tensor.to(DType::float64).to_vector<double>();
}

// Gives every parameter the gradient `value` in each element.
void set_gradients(AdamW& optimizer, double value) {
  for (const AdamW::State& state : optimizer.states()) {
    const core::Tensor& parameter = state.parameter.value();
    state.parameter.slot()->add(core::Tensor::full(
        parameter.shape(), value, core::accumulator_of(parameter.dtype()), parameter.device()));
  }
}

TEST(AdamW, MatricesDecayNormsAndBiasesDoNot) {
  models::DecoderConfig config = testing::tiny_decoder();
  config.qkv_bias = true;
  models::Decoder decoder = make_decoder(DType::float64, config);
  OptimizerConfig settings;
  settings.weight_decay = 0.5;
  AdamW optimizer(decoder, settings);
  int decayed = 0, kept = 0;
  std::vector<std::vector<double>> before;
  for (const AdamW::State& state : optimizer.states()) {
    if (state.name.ends_with("bias")) core::kernels::fill(state.parameter.value(), 0.25);
    before.push_back(values(state.parameter.value()));
  }
  optimizer.prepare(0.1);
  optimizer.step(1.0);  // no gradients: only the decay is left
  for (std::size_t i = 0; i < before.size(); ++i) {
    const AdamW::State& state = optimizer.states()[i];
    const bool is_matrix = state.parameter.shape().size() == 2;
    EXPECT_EQ(state.decay, is_matrix) << state.name;
    (is_matrix ? decayed : kept)++;
    const std::vector<double> after = values(state.parameter.value());
    for (std::size_t k = 0; k < after.size(); ++k) {
      ASSERT_NEAR(after[k], before[i][k] * (is_matrix ? 0.95 : 1.0), 1e-15) << state.name;
    }
  }
  EXPECT_EQ(decayed, 1 + 2 * 4);     // embedding (tied), four matrices a layer
  EXPECT_EQ(kept, 1 + 2 * (2 + 1));  // final norm; two norms and the bias a layer
}

TEST(AdamW, TheEmbeddingMayLearnFaster) {
  models::DecoderConfig config = testing::tiny_decoder();
  config.tied_embeddings = false;
  models::Decoder decoder = make_decoder(DType::float64, config);
  OptimizerConfig settings;
  settings.weight_decay = 0;
  settings.embedding_lr = 50;
  AdamW optimizer(decoder, settings);
  std::vector<double> before;
  for (const AdamW::State& state : optimizer.states()) {
    before.push_back(values(state.parameter.value()).front());
  }
  set_gradients(optimizer, 0.7);
  optimizer.prepare(1e-3);
  optimizer.step(1.0);  // the first step of Adam moves every element by its learning rate
  for (std::size_t i = 0; i < before.size(); ++i) {
    const AdamW::State& state = optimizer.states()[i];
    const double moved = before[i] - values(state.parameter.value()).front();
    EXPECT_NEAR(moved, state.name == "embedding.weight" ? 0.05 : 0.001, 1e-6) << state.name;
  }
}

TEST(AdamW, TiedMatricesAreOneStateUntiedAreTwo) {
  models::DecoderConfig config = testing::tiny_decoder();
  const auto count = [&] {
    const models::Decoder decoder = make_decoder(DType::float32, config);
    return AdamW(decoder, {}).states().size();
  };
  const std::size_t tied = count();
  config.tied_embeddings = false;
  EXPECT_EQ(count(), tied + 1);
}

TEST(AdamW, TwoStepsFollowTheFormula) {
  models::Decoder decoder = make_decoder(DType::float64);
  OptimizerConfig settings;
  settings.beta1 = 0.8;
  settings.beta2 = 0.9;
  settings.eps = 1e-3;
  settings.weight_decay = 0.2;
  AdamW optimizer(decoder, settings);
  const AdamW::State& state = optimizer.states().front();
  ASSERT_TRUE(state.decay);
  double w = values(state.parameter.value())[5], m = 0, v = 0;
  for (int step = 1; step <= 2; ++step) {
    const double lr = 0.01 * step, scale = 0.5, gradient = 0.3 * step;
    set_gradients(optimizer, gradient);
    optimizer.prepare(lr);
    optimizer.step(scale);
    const double g = gradient * scale;
    m = 0.8 * m + 0.2 * g;
    v = 0.9 * v + 0.1 * g * g;
    const double m_hat = m / (1 - std::pow(0.8, step)), v_hat = v / (1 - std::pow(0.9, step));
    w -= lr * 0.2 * w + lr * m_hat / (std::sqrt(v_hat) + 1e-3);
    EXPECT_NEAR(values(state.parameter.value())[5], w, 1e-14) << step;
    EXPECT_EQ(optimizer.steps_done(), step);
    EXPECT_FALSE(state.parameter.gradient().defined()) << "gradients are used up";
  }
}

TEST(AdamW, AnUpdateHasToBePrepared) {
  models::Decoder decoder = make_decoder(DType::float32);
  AdamW optimizer(decoder, {});
  EXPECT_THROW(optimizer.step(1.0), core::Error);
  optimizer.prepare(0.1);
  EXPECT_THROW(optimizer.update(1, 1.0), core::Error);
  optimizer.step(1.0);
  EXPECT_THROW(optimizer.step(1.0), core::Error) << "one update for one prepare()";
  EXPECT_EQ(optimizer.steps_done(), 1);
}

// What is prepared reads the gradients when the update runs.
TEST(AdamW, PreparedBeforeTheGradientsAreThere) {
  models::Decoder decoder = make_decoder(DType::float32), other = make_decoder(DType::float32);
  AdamW early(decoder, {}), late(other, {});
  set_gradients(early, 0.0);
  early.prepare(0.1);
  for (AdamW::State& state : early.states()) {
    const core::Tensor gradient = state.parameter.gradient();
    core::kernels::copy(core::Tensor::full(gradient.shape(), 0.3, gradient.dtype()), gradient);
  }
  early.step(0.5);
  set_gradients(late, 0.3);
  late.prepare(0.1);
  late.step(0.5);
  for (std::size_t i = 0; i < early.states().size(); ++i) {
    EXPECT_EQ(values(early.states()[i].parameter.value()),
              values(late.states()[i].parameter.value()));
  }
}

TEST(AdamW, GradientNormIsOverAllParameters) {
  models::Decoder decoder = make_decoder(DType::float32);
  AdamW optimizer(decoder, {});
  EXPECT_EQ(optimizer.squared_gradient_norm().item(), 0.0);
  set_gradients(optimizer, 0.5);
  const auto count = static_cast<double>(models::count_parameters(decoder.config(), 1));
  EXPECT_NEAR(optimizer.squared_gradient_norm().item(), 0.25 * count, 1e-9 * count);
  optimizer.clear_gradients();
  EXPECT_EQ(optimizer.squared_gradient_norm().item(), 0.0);
}

// Some gradients bfloat16, others float32: the same values in float32 give the same bits.
TEST(AdamW, GradientsOfTwoDtypes) {
  models::Decoder mixed = make_decoder(DType::bfloat16), wide = make_decoder(DType::bfloat16);
  AdamW narrow_some(mixed, {}), narrow_none(wide, {});
  for (AdamW::State& state : narrow_some.states()) {
    if (state.parameter.value().rank() == 2) state.parameter.slot()->dtype = DType::bfloat16;
  }
  for (int step = 1; step <= 3; ++step) {
    set_gradients(narrow_some, 0.5 * step);  // a value that both hold
    set_gradients(narrow_none, 0.5 * step);
    EXPECT_NEAR(narrow_some.squared_gradient_norm().item(),
                narrow_none.squared_gradient_norm().item(),
                1e-12 * narrow_none.squared_gradient_norm().item());
    for (AdamW* optimizer : {&narrow_some, &narrow_none}) {
      optimizer->prepare(0.01);
      optimizer->step(0.3);
    }
  }
  for (std::size_t i = 0; i < narrow_some.states().size(); ++i) {
    EXPECT_EQ(values(narrow_some.states()[i].master), values(narrow_none.states()[i].master))
        << narrow_some.states()[i].name;
  }
}

TEST(AdamW, RanksWithWholeGradientsCountAShareEach) {
  double sum = 0, whole = 0;
  for (const int rank : {0, 1, 2}) {
    models::Decoder decoder = make_decoder(DType::float32);
    AdamW optimizer(decoder, {}, 0, {false, rank, 3});
    set_gradients(optimizer, 0.5);
    const double part = optimizer.squared_gradient_norm().item();
    whole = 0.25 * static_cast<double>(models::count_parameters(decoder.config(), 1));
    EXPECT_LT(part, whole);
    sum += part;
  }
  EXPECT_NEAR(sum, whole, 1e-9 * whole);
}

TEST(AdamW, Bfloat16HasFloat32MastersThatKeepSmallUpdates) {
  models::Decoder decoder = make_decoder(DType::bfloat16);
  AdamW optimizer(decoder, {});
  const AdamW::State& state = optimizer.states().back();  // the final norm: ones
  ASSERT_EQ(state.parameter.dtype(), DType::bfloat16);
  for (const AdamW::State& each : optimizer.states()) {
    EXPECT_EQ(each.master.dtype(), DType::float32);
    EXPECT_EQ(each.m.dtype(), DType::float32);
    EXPECT_EQ(each.v.dtype(), DType::float32);
  }
  // One step of 1e-4 is below half a bfloat16 step at 1 (2^-9): only the master moves at first.
  for (int step = 1; step <= 30; ++step) {
    set_gradients(optimizer, 1.0);
    optimizer.prepare(1e-4);
    optimizer.step(1.0);
    if (step == 1) {
      EXPECT_EQ(values(state.parameter.value())[0], 1.0);
    }
  }
  EXPECT_NEAR(values(state.master)[0], 1.0 - 30e-4, 1e-5);
  EXPECT_EQ(values(state.parameter.value())[0], values(state.master.to(DType::bfloat16))[0]);
  EXPECT_LT(values(state.parameter.value())[0], 1.0);
}

// Moments of bfloat16 follow those of float32; a mean of many small changes is not lost.
TEST(AdamW, Bfloat16MomentsFollowFloat32Ones) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    models::Decoder wide_decoder = make_decoder(dtype), narrow_decoder = make_decoder(dtype);
    OptimizerConfig settings;
    settings.beta2 = 0.999;  // a step changes v by less than bfloat16 can tell
    AdamW wide(wide_decoder, settings);
    settings.state_dtype = DType::bfloat16;
    AdamW narrow(narrow_decoder, settings, 5);
    EXPECT_EQ(narrow.states().front().m.dtype(), DType::bfloat16);
    EXPECT_EQ(narrow.states().front().v.dtype(), DType::bfloat16);
    EXPECT_EQ(narrow.states().front().master.dtype(), DType::float32);
    EXPECT_EQ(narrow.state_dtype(), DType::bfloat16);
    for (int step = 1; step <= 200; ++step) {
      for (AdamW* optimizer : {&wide, &narrow}) {
        set_gradients(*optimizer, 1.0 + 0.5 * std::sin(step));
        optimizer->prepare(1e-3);
        optimizer->step(1.0);
      }
    }
    const std::vector<double> expected = values(wide.states().front().v);
    const std::vector<double> got = values(narrow.states().front().v);
    double mean = 0;
    for (const double value : got) mean += value / static_cast<double>(got.size());
    EXPECT_NEAR(mean / expected[0], 1.0, 2e-3);
    const std::vector<double> there = values(wide.states().front().master);
    const std::vector<double> here = values(narrow.states().front().master);
    double off = 0, moved = 0;
    for (std::size_t i = 0; i < there.size(); ++i) off += std::abs(here[i] - there[i]);
    moved = 200 * 1e-3 * static_cast<double>(there.size());
    EXPECT_LT(off, 0.03 * moved);
  }
}

// The rounding is a function of seed and step: another seed gives other bits.
TEST(AdamW, TheSeedDecidesTheRounding) {
  const auto second_moment = [](std::uint64_t seed) {
    models::Decoder decoder = make_decoder(DType::float32);
    AdamW optimizer(decoder, {.state_dtype = DType::bfloat16}, seed);
    for (int step = 0; step < 3; ++step) {
      set_gradients(optimizer, 0.3);
      optimizer.prepare(1e-3);
      optimizer.step(1.0);
    }
    return values(optimizer.states().front().v);
  };
  EXPECT_EQ(second_moment(1), second_moment(1));
  EXPECT_NE(second_moment(1), second_moment(2));
}

TEST(AdamW, Float64KeepsItsMoments) {
  models::Decoder decoder = make_decoder(DType::float64);
  const AdamW optimizer(decoder, {.state_dtype = DType::bfloat16});
  EXPECT_EQ(optimizer.state_dtype(), DType::float64);
}

}  // namespace
}  // namespace unfold::train
