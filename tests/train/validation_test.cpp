#include "train/validation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/comm/communicator.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"
#include "train/training_loss.h"

namespace unfold::train {
namespace {

class ValidationTest : public ::testing::Test {
 protected:
  ValidationTest() { testing::make_shards(folder_.path()); }

  static models::Decoder make_decoder(int levels, double dropout) {
    models::DecoderConfig config = testing::tiny_decoder();
    config.init_std = 0.3;
    config.dropout = dropout;
    return models::Decoder(config, levels, core::DType::float32, core::Device{}, 11);
  }
  static gsa::GistConfig gists(std::vector<std::int64_t> chunks) {
    gsa::GistConfig gist;
    gist.chunks = std::move(chunks);
    gist.sinks = 1;
    gist.previous_chunks = 0;
    return gist;
  }
  std::vector<data::Batch> batches(const gsa::GistConfig& gist, std::int64_t batch_rows) const {
    return testing::tiny_batches(folder_.path(), gist, 4, batch_rows);
  }
  // The loss training would report for the same rows.
  static double training_loss(models::Decoder& decoder, const data::Batch& batch,
                              const gsa::GistConfig& gist, Objective objective) {
    TrainConfig config;
    config.objective = objective;
    const TrainingLoss loss(config, gist, {});
    const StepTotals totals = loss.count(batch);
    return loss.loss(loss.accumulate(decoder, batch, totals, 0, {}), totals, decoder.config());
  }

  test::TempFolder folder_;
  std::unique_ptr<core::Communicator> world_ = core::make_single_process();
};

TEST_F(ValidationTest, FullIsPlainAttentionAndGistIsTheGistMask) {
  for (const auto& chunks : {std::vector<std::int64_t>{5}, {4, 2}}) {
    const gsa::GistConfig gist = gists(chunks);
    models::Decoder decoder = make_decoder(gist.levels(), 0);
    const std::vector<data::Batch> rows = batches(gist, 4);
    const auto losses = validate(decoder, rows, gist, std::nullopt, *world_);
    ASSERT_EQ(losses.size(), 2u);
    EXPECT_EQ(losses[0].visibility, "full");
    EXPECT_EQ(losses[1].visibility, "gist_only");
    const data::Batch plain = data::without_gists(rows[0]);
    EXPECT_NEAR(losses[0].loss, training_loss(decoder, plain, gists({}), Objective::lm), 1e-5);
    EXPECT_NEAR(losses[1].loss, training_loss(decoder, rows[0], gist, Objective::cpt), 1e-5);
    EXPECT_GT(std::abs(losses[0].loss - losses[1].loss), 1e-3) << "the mask matters";
    for (const ValidationLoss& loss : losses) {
      EXPECT_EQ(loss.tokens, rows[0].valid_targets);
      const double nats = loss.loss * static_cast<double>(loss.tokens);
      EXPECT_NEAR(loss.bits_per_byte,
                  nats / std::log(2.0) / static_cast<double>(rows[0].target_bytes), 1e-9);
    }
  }
}

TEST_F(ValidationTest, RowsWithoutGistsHaveTheFullLossOnly) {
  models::Decoder decoder = make_decoder(1, 0);
  const auto losses = validate(decoder, batches(gists({}), 4), gists({}), std::nullopt, *world_);
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_EQ(losses[0].visibility, "full");
}

TEST_F(ValidationTest, DependsNeitherOnBatchesNorOnDropoutAndLeavesNoGradients) {
  const gsa::GistConfig gist = gists({5});
  models::Decoder decoder = make_decoder(1, 0);
  models::Decoder dropping = make_decoder(1, 0.5);
  const auto whole = validate(decoder, batches(gist, 4), gist, std::nullopt, *world_);
  for (const std::int64_t batch_rows : {1, 2}) {
    const auto parts = validate(dropping, batches(gist, batch_rows), gist, std::nullopt, *world_);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_NEAR(parts[i].loss, whole[i].loss, 1e-5);
      EXPECT_EQ(parts[i].tokens, whole[i].tokens);
    }
  }
  for (const models::Parameter& parameter : dropping.parameters()) {
    EXPECT_FALSE(parameter.variable.gradient().defined());
  }
}

}  // namespace
}  // namespace unfold::train
