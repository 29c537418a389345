// TrainingLoss against a loss written down once more and central differences, in float64.
#include "train/training_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <optional>

#include "autograd/ops/cross_entropy.h"
#include "core/random.h"
#include "data/row_format.h"
#include "data/tokenizer/byte_tokenizer.h"
#include "gsa/block_map.h"
#include "gsa/cpt_objective.h"
#include "gsa/insertion.h"
#include "models/unfolding_attention.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"

namespace unfold::train {
namespace {

using core::Tensor;

// Selective finetuning: the answers' cross-entropy, and the routing losses of the layers.
struct Unfolded {
  double cross_entropy = 0;
  double routing = 0;
};

Unfolded run_unfolding(models::Decoder& decoder, const data::Batch& batch,
                       const gsa::GistConfig& gist, const gsa::SelectionConfig& selection) {
  const autograd::NoGrad no_grad;
  models::UnfoldingAttention attention(batch.layout, gist, gsa::for_gists(selection, gist),
                                       {.routing_loss = true});
  std::vector<autograd::Variable> routing;
  models::ForwardOptions options;
  options.attention_losses = &routing;
  const std::int64_t n = batch.layout.size();
  const autograd::Variable hidden = decoder.hidden(
      Tensor::from(batch.tokens, {n}), Tensor::from(batch.layout.rope, {n}), attention, options);
  Unfolded result;
  for (const double loss :
       autograd::token_losses(hidden.value(), decoder.head().value(), decoder.config().vocab_size,
                              Tensor::from(batch.targets, {n}))
           .to_vector<double>()) {
    result.cross_entropy += loss;
  }
  for (const autograd::Variable& layer : routing) result.routing += layer.value().item();
  return result;
}

struct Branch {
  double cross_entropy = 0;  // sum, nats
  std::vector<autograd::Variable> blocks;
};

Branch run_branch(models::Decoder& decoder, const data::Batch& batch, const gsa::GistConfig& gist,
                  gsa::Visibility visibility) {
  const autograd::NoGrad no_grad;
  models::BlockAttention attention(
      std::make_shared<const gsa::BlockMap>(gsa::make_block_map(batch.layout, gist, visibility)));
  Branch branch;
  models::ForwardOptions options;
  options.block_outputs = &branch.blocks;
  const std::int64_t n = batch.layout.size();
  const autograd::Variable hidden = decoder.hidden(
      Tensor::from(batch.tokens, {n}), Tensor::from(batch.layout.rope, {n}), attention, options);
  const std::vector<double> losses =
      autograd::token_losses(hidden.value(), decoder.head().value(), decoder.config().vocab_size,
                             Tensor::from(batch.targets, {n}))
          .to_vector<double>();
  for (const double loss : losses) branch.cross_entropy += loss;
  return branch;
}

// The raw branch's hidden states are constants of the alignment, so differences must hold them.
struct Reference {
  TrainConfig config;
  gsa::GistConfig gist;
  std::vector<Tensor> frozen_raw;

  double operator()(models::Decoder& decoder, const data::Batch& batch) {
    const auto targets = static_cast<double>(batch.valid_targets);
    if (config.objective == Objective::sft) {
      return run_unfolding(decoder, batch, gist, {}).cross_entropy / targets;
    }
    const Branch branch = run_branch(decoder, batch, gist, gsa::Visibility::gist);
    if (!config.cpt.two_branch) return branch.cross_entropy / targets;
    const Branch raw = run_branch(decoder, batch, gist, gsa::Visibility::full);
    double loss = (branch.cross_entropy + raw.cross_entropy) / 2 / targets;
    if (config.cpt.alignment == 0) return loss;
    if (frozen_raw.empty()) {
      for (const autograd::Variable& block : raw.blocks) {
        frozen_raw.push_back(block.value().clone());
      }
    }
    return loss + config.cpt.alignment * alignment(branch, batch, decoder.config().width) /
                      static_cast<double>(count_raw_tokens(batch));
  }

  // Mean over layers of SmoothL1 (quadratic below 1), summed over width and raw tokens.
  double alignment(const Branch& branch, const data::Batch& batch, std::int64_t width) const {
    double sum = 0;
    for (std::size_t layer = 0; layer < frozen_raw.size(); ++layer) {
      const auto raw = frozen_raw[layer].to_vector<double>();
      const auto gist_hidden = branch.blocks[layer].value().to_vector<double>();
      for (std::size_t i = 0; i < raw.size(); ++i) {
        const std::size_t token = i / static_cast<std::size_t>(width);
        if (batch.layout.level[token] >= 0 || batch.layout.document[token] < 0) continue;
        const double x = std::abs(gist_hidden[i] - raw[i]);
        sum += x < 1 ? 0.5 * x * x : x - 0.5;
      }
    }
    return sum / static_cast<double>(frozen_raw.size());
  }
};

// Rows as they are when a question follows its context: 20 tokens with gists, then a raw suffix of
// 3, 8, 13, ... tokens.
std::vector<data::Batch> suffixed_batches(const gsa::GistConfig& gist, std::int64_t rows,
                                          std::int64_t batch_rows) {
  const data::ByteTokenizer tokenizer;
  const data::RowFormat format = data::make_row_format(tokenizer, gist, 48);
  std::vector<data::Batch> batches;
  for (std::int64_t row = 0; row < rows; row += batch_rows) {
    data::BatchBuilder builder(format);
    for (std::int64_t i = row; i < row + batch_rows; ++i) {
      const std::vector<data::TokenId> tokens =
          tokenizer.encode(testing::invented_text(50, static_cast<std::uint64_t>(i)));
      std::vector<std::uint8_t> starts;
      for (int k = 0; k < 20; ++k) {
        starts.push_back(format.starts_word[static_cast<std::size_t>(tokens[k])]);
      }
      std::vector<gsa::Element> elements = gsa::insert_gists(20, starts, gist);
      for (std::int32_t k = 20; k < 23 + 5 * static_cast<std::int32_t>(i); ++k) {
        elements.push_back({k, -1});
      }
      builder.add(tokens, elements);
      builder.end_row();
    }
    batches.push_back(std::move(builder).build());
  }
  return batches;
}

class TrainingLossTest : public ::testing::Test {
 protected:
  TrainingLossTest() { testing::make_shards(folder_.path()); }

  static models::Decoder make_decoder(int levels, double dropout = 0) {
    models::DecoderConfig config = testing::tiny_decoder();
    config.init_std = 0.3;  // away from the flat start, so that every gradient can be seen
    config.dropout = dropout;
    return models::Decoder(config, levels, core::DType::float64, core::Device{}, 11);
  }

  static void clear(models::Decoder& decoder) {
    for (models::Parameter& parameter : decoder.parameters()) parameter.variable.clear_gradient();
  }

  std::vector<data::Batch> batches(const TrainConfig& config, const gsa::GistConfig& gist,
                                   std::int64_t rows, std::int64_t batch_rows) const {
    return config.cpt.prefix_loss && config.objective != Objective::sft
               ? testing::tiny_batches(folder_.path(), gist, rows, batch_rows)
               : suffixed_batches(gist, rows, batch_rows);
  }

  // Compares the value, and the gradient at 3 elements of every parameter.
  void check(const TrainConfig& config, const gsa::GistConfig& gist) {
    const TrainingLoss loss(config, gist, {});
    models::Decoder decoder = make_decoder(gist.levels());
    data::Batch batch = batches(config, loss.row_gists(), 2, 2).front();
    loss.prepare(batch);
    ASSERT_GT(batch.valid_targets, 10);
    Reference reference = {config, loss.row_gists(), {}};
    const StepTotals totals = loss.count(batch);
    const LossTerms terms = loss.accumulate(decoder, batch, totals, 0, {});
    const double expected = reference(decoder, batch);
    EXPECT_NEAR(loss.loss(terms, totals, decoder.config()), expected, 1e-12 * expected);
    core::Random random(5);
    int large = 0;
    for (models::Parameter& parameter : decoder.parameters()) {
      if (!parameter.spec.tied_to.empty()) continue;
      const std::vector<double> gradient = parameter.variable.gradient().to_vector<double>();
      double* values = parameter.variable.value().data<double>();
      for (int i = 0; i < 3; ++i) {
        std::size_t at = random.below(static_cast<std::uint32_t>(gradient.size()));
        // Of a vocabulary matrix most rows are of bytes that never occur: also look at letters and
        // at the gist rows behind.
        const auto width = static_cast<std::size_t>(decoder.config().width);
        if (parameter.spec.gist_rows > 0 && i == 0) at = gradient.size() - 1 - at % width;
        if (parameter.spec.gist_rows > 0 && i == 1) at = std::size_t{'b'} * width + at % width;
        const double before = values[at], step = 1e-6;
        values[at] = before + step;
        const double above = reference(decoder, batch);
        values[at] = before - step;
        const double below = reference(decoder, batch);
        values[at] = before;
        const double numeric = (above - below) / (2 * step);
        EXPECT_NEAR(gradient[at], numeric, 1e-8 + 1e-6 * std::abs(numeric))
            << parameter.spec.name << "[" << at << "]";
        large += std::abs(numeric) > 1e-4 ? 1 : 0;
      }
    }
    EXPECT_GT(large, 15) << "most of the gradients compared are no zeros";
  }

  test::TempFolder folder_;
};

gsa::GistConfig one_level() {
  gsa::GistConfig gist;
  gist.chunks = {5};
  gist.sinks = 1;
  return gist;
}

gsa::GistConfig two_levels() {
  gsa::GistConfig gist = one_level();
  gist.chunks = {4, 2};
  return gist;
}

TrainConfig objective(Objective which) {
  TrainConfig config;
  config.objective = which;
  return config;
}

TEST_F(TrainingLossTest, GradientOfLanguageModelling) {
  check(objective(Objective::lm), one_level());
}
TEST_F(TrainingLossTest, GradientOfContinuedPretraining) {
  check(objective(Objective::cpt), one_level());
}
TEST_F(TrainingLossTest, GradientOfContinuedPretrainingWithTwoLevels) {
  check(objective(Objective::cpt), two_levels());
}
TEST_F(TrainingLossTest, GradientWithoutPrefixLoss) {
  TrainConfig config = objective(Objective::cpt);
  config.cpt.prefix_loss = false;
  check(config, two_levels());
}
TEST_F(TrainingLossTest, GradientOfTwoBranches) {
  TrainConfig config = objective(Objective::cpt);
  config.cpt.two_branch = true;
  check(config, one_level());
}
TEST_F(TrainingLossTest, GradientOfTwoAlignedBranches) {
  TrainConfig config = objective(Objective::cpt);
  config.cpt.two_branch = true;
  config.cpt.alignment = 0.3;
  check(config, two_levels());
}

TEST_F(TrainingLossTest, GradientOfSelectiveFinetuning) {
  check(objective(Objective::sft), one_level());
  check(objective(Objective::sft), two_levels());
}

// The gradient itself: tests/models/unfolding_attention_test.cpp.
TEST_F(TrainingLossTest, RoutingLossIsAMeanOverLayersHeadsAndQueries) {
  TrainConfig config = objective(Objective::sft);
  const gsa::GistConfig gist = two_levels();
  models::Decoder decoder = make_decoder(2);
  std::vector<std::vector<double>> gradients;
  for (const double weight : {0.0, 0.5, 1.0}) {
    config.routing_weight = weight;
    const TrainingLoss loss(config, gist, {});
    const data::Batch batch = suffixed_batches(gist, 2, 2).front();
    clear(decoder);
    const StepTotals totals = loss.count(batch);
    const LossTerms terms = loss.accumulate(decoder, batch, totals, 0, {});
    const Unfolded expected = run_unfolding(decoder, batch, gist, {});
    EXPECT_NEAR(terms.cross_entropy, expected.cross_entropy, 1e-9);
    const double mean =
        expected.routing / (totals.suffix_queries * static_cast<double>(decoder.config().heads) *
                            static_cast<double>(decoder.config().layers - 1));
    EXPECT_GT(mean, 0.1);
    EXPECT_NEAR(loss.mean_routing(terms, totals, decoder.config()), weight > 0 ? mean : 0, 1e-9);
    EXPECT_NEAR(loss.loss(terms, totals, decoder.config()),
                expected.cross_entropy / totals.targets + weight * mean, 1e-9);
    gradients.push_back(
        decoder.parameter("layers.1.attention.qkv.weight").variable.gradient().to_vector<double>());
  }
  double largest = 0;
  for (std::size_t i = 0; i < gradients[0].size(); ++i) {
    EXPECT_NEAR(gradients[1][i], (gradients[0][i] + gradients[2][i]) / 2, 1e-12);
    largest = std::max(largest, std::abs(gradients[2][i] - gradients[0][i]));
  }
  EXPECT_GT(largest, 1e-4) << "the routing loss reaches queries and keys";
}

TEST(TrainingLoss, TheBudgetFallsFromAllGistsOverTheFirstPartOfTraining) {
  TrainConfig config = objective(Objective::sft);
  config.steps = 200;
  config.budget_anneal = 0.5;
  const TrainingLoss loss(config, one_level(), {});
  EXPECT_EQ(loss.selection_at(0).anneal, 1.0);
  EXPECT_EQ(loss.selection_at(25).anneal, 0.75);
  EXPECT_EQ(loss.selection_at(100).anneal, 0.0);
  EXPECT_EQ(loss.selection_at(199).anneal, 0.0);
  EXPECT_EQ(loss.selection_at(0).chunk, 5);
  config.budget_anneal = 0;
  EXPECT_EQ(TrainingLoss(config, one_level(), {}).selection_at(0).anneal, 0.0);
}

// Loss and gradients of four rows taken `batch_rows` at a time.
struct Accumulated {
  double loss = 0;
  double mean_of_means = 0;  // what a loss normalised within each micro-batch would give
  std::vector<double> gradient;
};

Accumulated accumulate(const TrainConfig& config, const gsa::GistConfig& gist,
                       models::Decoder decoder, std::vector<data::Batch> batches) {
  const TrainingLoss loss(config, gist, {});
  StepTotals totals;
  for (data::Batch& batch : batches) {
    loss.prepare(batch);
    const StepTotals part = loss.count(batch);
    totals.targets += part.targets;
    totals.raw_tokens += part.raw_tokens;
    totals.suffix_queries += part.suffix_queries;
  }
  Accumulated result;
  LossTerms sum;
  for (const data::Batch& batch : batches) {
    const LossTerms part = loss.accumulate(decoder, batch, totals, 3, {});
    sum.cross_entropy += part.cross_entropy;
    sum.alignment += part.alignment;
    sum.routing += part.routing;
    result.mean_of_means += part.cross_entropy / static_cast<double>(batch.valid_targets) /
                            static_cast<double>(batches.size());
  }
  result.loss = loss.loss(sum, totals, decoder.config());
  for (const models::Parameter& parameter : decoder.parameters()) {
    if (!parameter.spec.tied_to.empty()) continue;
    const auto values = parameter.variable.gradient().to_vector<double>();
    result.gradient.insert(result.gradient.end(), values.begin(), values.end());
  }
  return result;
}

TEST_F(TrainingLossTest, MicroBatchesGiveTheSameLossAndGradients) {
  TrainConfig aligned = objective(Objective::cpt);
  aligned.cpt.two_branch = true;
  aligned.cpt.alignment = 0.1;
  TrainConfig unfolding = objective(Objective::sft);
  unfolding.routing_weight = 0.7;
  unfolding.budget_anneal = 0.5;
  for (const TrainConfig& config :
       {objective(Objective::lm), objective(Objective::cpt), aligned, unfolding}) {
    const gsa::GistConfig gist = TrainingLoss(config, two_levels(), {}).row_gists();
    const Accumulated whole =
        accumulate(config, gist, make_decoder(2), batches(config, gist, 4, 4));
    for (const std::int64_t rows : {1, 2}) {
      const std::vector<data::Batch> micro = batches(config, gist, 4, rows);
      ASSERT_EQ(micro.size(), static_cast<std::size_t>(4 / rows));
      const Accumulated parts = accumulate(config, gist, make_decoder(2), micro);
      EXPECT_NEAR(parts.loss, whole.loss, 1e-12 * whole.loss);
      ASSERT_EQ(parts.gradient.size(), whole.gradient.size());
      double worst = 0;
      for (std::size_t i = 0; i < whole.gradient.size(); ++i) {
        worst = std::max(worst, std::abs(parts.gradient[i] - whole.gradient[i]));
      }
      EXPECT_LT(worst, 1e-12);
    }
  }
}

TEST_F(TrainingLossTest, NormalisationIsByTokensNotByRows) {
  TrainConfig config = objective(Objective::cpt);
  config.cpt.prefix_loss = false;  // leaves very different numbers of targets
  const gsa::GistConfig gist = one_level();
  const TrainingLoss loss(config, gist, {});
  std::vector<data::Batch> rows = batches(config, gist, 4, 1);
  std::int64_t least = 1000, most = 0;
  for (data::Batch& row : rows) {
    loss.prepare(row);
    least = std::min(least, row.valid_targets);
    most = std::max(most, row.valid_targets);
  }
  ASSERT_LT(2 * least, most);
  const Accumulated whole = accumulate(config, gist, make_decoder(1), batches(config, gist, 4, 4));
  const Accumulated parts = accumulate(config, gist, make_decoder(1), rows);
  EXPECT_NEAR(parts.loss, whole.loss, 1e-12 * whole.loss);
  EXPECT_GT(std::abs(parts.mean_of_means - whole.loss), 1e-3);
}

TEST_F(TrainingLossTest, PrepareDropsThePrefixOnly) {
  TrainConfig config = objective(Objective::cpt);
  const gsa::GistConfig gist = two_levels();
  const data::Batch before = suffixed_batches(gist, 4, 4).front();
  data::Batch batch = before;
  TrainingLoss(config, gist, {}).prepare(batch);
  EXPECT_EQ(batch.targets, before.targets) << "nothing to drop with a loss on the prefix";
  config.cpt.prefix_loss = false;
  TrainingLoss(config, gist, {}).prepare(batch);
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    bool top_gist_follows = false;  // behind i in the row
    for (std::size_t k = i + 1; k < (i / 48 + 1) * 48; ++k) {
      top_gist_follows |= batch.layout.level[k] == 1;
    }
    // The last top-level gist predicts the first token of the suffix, and so keeps its target.
    EXPECT_EQ(batch.targets[i], top_gist_follows ? data::kIgnoredTarget : before.targets[i]) << i;
    kept += batch.targets[i] >= 0 ? 1 : 0;
  }
  EXPECT_EQ(batch.valid_targets, kept);
  EXPECT_EQ(kept, 3 + 8 + 13 + 18);
  EXPECT_EQ(before.valid_targets, kept + 4 * 19);
}

TEST_F(TrainingLossTest, LanguageModellingHasNoGistsInItsRows) {
  const TrainingLoss loss(objective(Objective::lm), two_levels(), {});
  EXPECT_EQ(loss.row_gists().levels(), 0);
  EXPECT_EQ(TrainingLoss(objective(Objective::cpt), two_levels(), {}).row_gists().levels(), 2);
}

}  // namespace
}  // namespace unfold::train
