#include "train/gradient_dtype.h"

#include <gtest/gtest.h>

#include "core/comm/communicator.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"
#include "train/training_loss.h"

namespace unfold::train {
namespace {

using core::DType;

TrainConfig narrow(std::int64_t rows = 8, std::int64_t micro_rows = 0) {
  TrainConfig config;
  config.dtype = config.gradient_dtype = DType::bfloat16;
  config.rows = rows;
  config.micro_rows = micro_rows;
  return config;
}

TEST(GradientDtype, Bfloat16WhereAStepHasOnePass) {
  EXPECT_EQ(block_gradient_dtype(narrow(), 1), DType::bfloat16);
  EXPECT_EQ(block_gradient_dtype(narrow(8, 8), 1), DType::bfloat16);
  EXPECT_EQ(block_gradient_dtype(narrow(8, 4), 1), DType::float32);
  EXPECT_EQ(block_gradient_dtype(narrow(8, 4), 2), DType::bfloat16);
  EXPECT_EQ(block_gradient_dtype(narrow(9, 4), 2), DType::float32) << "a rank has 5 rows";
  TrainConfig config = narrow();
  config.cpt.two_branch = true;
  EXPECT_EQ(block_gradient_dtype(config, 1), DType::float32) << "two passes, one a branch";
}

TEST(GradientDtype, OnRequestAndOfBfloat16Parameters) {
  TrainConfig config = narrow();
  config.gradient_dtype = DType::float32;
  EXPECT_EQ(block_gradient_dtype(config, 1), DType::float32);
  for (const DType dtype : {DType::float32, DType::float64}) {
    config = narrow();
    config.dtype = dtype;
    EXPECT_EQ(block_gradient_dtype(config, 1), dtype);
  }
}

// The gradients of one pass: rounded once, from the same sums, and those of nothing else.
TEST(GradientDtype, MatricesOfBlocksAreRoundedNothingElseIs) {
  const test::TempFolder folder;
  TrainerConfig config = testing::tiny_config(folder.path());
  config.model.qkv_bias = true;
  config.train.dtype = DType::bfloat16;
  const std::vector<data::Batch> batches = testing::tiny_batches(folder.path(), config.gist, 4, 4);
  const TrainingLoss loss(config.train, config.gist, config.selection);
  const auto gradients = [&](DType dtype) {
    models::Decoder decoder(config.model, config.gist.levels(), DType::bfloat16, core::Device{}, 3);
    config.train.gradient_dtype = dtype;
    set_gradient_dtypes(decoder, config.train, 1);
    data::Batch batch = batches.front();
    loss.accumulate(decoder, batch, loss.count(batch), 0, {});
    std::vector<std::pair<models::ParameterSpec, core::Tensor>> found;
    for (const models::Parameter& each : decoder.parameters()) {
      if (each.spec.tied_to.empty()) found.emplace_back(each.spec, each.variable.gradient());
    }
    return found;
  };
  const auto wide = gradients(DType::float32);
  const auto rounded = gradients(DType::bfloat16);
  ASSERT_EQ(wide.size(), rounded.size());
  int matrices = 0;
  for (std::size_t i = 0; i < wide.size(); ++i) {
    const auto& [spec, gradient] = rounded[i];
    const bool matrix = spec.name.starts_with("layers.") && spec.name.ends_with("weight") &&
                        spec.name.find("norm") == std::string::npos;
    matrices += matrix ? 1 : 0;
    const DType expected = matrix ? DType::bfloat16 : DType::float32;
    EXPECT_EQ(gradient.dtype(), expected) << spec.name;
    EXPECT_EQ(wide[i].second.dtype(), DType::float32) << spec.name;
    EXPECT_EQ(gradient.to(DType::float32).to_vector<float>(),
              wide[i].second.to(expected).to(DType::float32).to_vector<float>())
        << spec.name;
  }
  EXPECT_EQ(matrices, 4 * config.model.layers);
}

// The update reads gradients of both dtypes: as if all were as wide as they are said to be.
TEST(GradientDtype, TrainingStaysCloseToThatOfWideGradients) {
  const test::TempFolder folder;
  TrainerConfig config = testing::tiny_config(folder.path());
  config.train.dtype = DType::bfloat16;
  config.train.steps = 20;
  config.train.val_every = 0;
  const auto losses = [&](const char* name, DType dtype) {
    config.train.gradient_dtype = dtype;
    config.run.dir = (folder.path() / name).string();
    testing::run_training(config);
    return testing::metric(config.run.dir, "loss");
  };
  const std::vector<double> wide = losses("wide", DType::float32);
  const std::vector<double> rounded = losses("rounded", DType::bfloat16);
  ASSERT_EQ(wide.size(), rounded.size());
  EXPECT_LT(wide.back(), wide.front() - 0.1);
  EXPECT_NE(wide, rounded);
  EXPECT_EQ(wide.front(), rounded.front());
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_NEAR(rounded[i], wide[i], 5e-3 * wide[i]) << "step " << i + 1;
  }
  config.train.micro_rows = config.train.rows / 2;
  EXPECT_EQ(losses("wide passes", DType::float32), losses("passes", DType::bfloat16));
}

}  // namespace
}  // namespace unfold::train
