#include "models/unfolding_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/cross_entropy.h"
#include "core/random.h"
#include "gsa/attention.h"
#include "gsa/routing_loss.h"
#include "tests/gsa/dense_routing.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using autograd::Variable;
using core::DType;
using core::Tensor;

const gsa::SelectionConfig kSelection{.budget = gsa::Budget::fixed, .chunks = 2};

DecoderConfig three_layers() {
  DecoderConfig config = tiny_config();
  config.layers = 3;
  return config;
}

struct Pass {
  Variable cross_entropy;
  std::vector<Variable> losses;
};

Pass run_decoder(Decoder& decoder, const TinyBatch& batch, AttentionContext& attention,
                 ForwardOptions options = {}) {
  Pass run;
  options.attention_losses = &run.losses;
  const core::Shape shape = {batch.layout.size()};
  const Variable hidden =
      decoder.hidden(Tensor::from(batch.tokens, shape), Tensor::from(batch.layout.rope, shape),
                     attention, options);
  run.cross_entropy = autograd::linear_cross_entropy(
      hidden, decoder.head(), decoder.config().vocab_size, Tensor::from(batch.targets, shape));
  return run;
}

// Cross-entropy and 0.3 times the routing losses.
Variable total_of(const Pass& run) {
  Variable total = run.cross_entropy;
  for (const Variable& loss : run.losses) total = autograd::add(total, autograd::scale(loss, 0.3));
  return total;
}

// What UnfoldingAttention computes with all that is constant for the gradient held: the selections,
// and the routing targets, which the first pass of a layer fills. The routing loss is the
// definition.
class HeldUnfolding : public AttentionContext {
 public:
  HeldUnfolding(const gsa::Layout& layout, const gsa::GistConfig& gist,
                const UnfoldingAttention& original)
      : layout_(layout), original_(original), targets_(original.selections().size()) {
    map_ = std::make_shared<const gsa::BlockMap>(
        gsa::make_block_map(layout, gist, gsa::Visibility::gist));
  }

  Variable attend(std::int64_t layer, const Variable& qkv,
                  const gsa::AttentionShape& shape) override {
    if (!original_.selects(layer)) return gsa::attention(qkv, shape, map_);
    const auto at = static_cast<std::size_t>(layer);
    routing +=
        gsa::dense_routing_loss(qkv.value().to_vector<double>(), shape, layout_, {}, targets_[at]);
    return gsa::unfolding_attention(qkv, shape, original_.context(), *original_.selections()[at]);
  }

  double routing = 0;  // summed over layers

 private:
  const gsa::Layout& layout_;
  const UnfoldingAttention& original_;
  std::shared_ptr<const gsa::BlockMap> map_;
  std::vector<gsa::RoutingTargets> targets_;
};

TEST(UnfoldingAttention, GradientOfAnswerAndRoutingLossByDifferences) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{3}, {2, 2}}) {
    const gsa::GistConfig gist{.chunks = chunks, .sinks = 1};
    Decoder decoder(three_layers(), gist.levels(), DType::float64, {}, 3);
    const TinyBatch batch = tiny_batch(2, 34, gist, 9);
    UnfoldingAttention attention(batch.layout, gist, kSelection,
                                 {.routing_loss = true, .keep_selections = true});
    const Pass run = run_decoder(decoder, batch, attention);
    ASSERT_EQ(run.losses.size(), 2u);
    autograd::backward(total_of(run));

    HeldUnfolding held(batch.layout, gist, attention);
    const auto value = [&] {
      const autograd::NoGrad no_grad;
      held.routing = 0;
      const double cross_entropy = run_decoder(decoder, batch, held).cross_entropy.value().item();
      return cross_entropy + 0.3 * held.routing;
    };
    EXPECT_NEAR(value(), total_of(run).value().item(), 1e-9);
    core::Random random(17);
    for (const Parameter& parameter : decoder.parameters()) {
      if (!parameter.spec.tied_to.empty()) continue;
      const std::vector<double> gradient = parameter.variable.gradient().to_vector<double>();
      double* values = parameter.variable.value().data<double>();
      for (int trial = 0; trial < 4; ++trial) {
        const std::uint32_t i = random.below(static_cast<std::uint32_t>(gradient.size()));
        const double original = values[i];
        const auto at = [&](double offset) {
          values[i] = original + offset;
          return value();
        };
        constexpr double kStep = 1e-3;
        const double numeric =
            (at(-2 * kStep) - 8 * at(-kStep) + 8 * at(kStep) - at(2 * kStep)) / (12 * kStep);
        values[i] = original;
        EXPECT_NEAR(gradient[i], numeric, 1e-6 * std::max(1.0, std::abs(numeric)))
            << parameter.spec.name << " element " << i;
      }
    }
  }
}

// A recomputed block selects again and makes its routing loss again: neither counts twice.
TEST(UnfoldingAttention, CheckpointingChangesNoBit) {
  for (const DType dtype : {DType::float32, DType::bfloat16, DType::float64}) {
    const gsa::GistConfig gist{.chunks = {3}};
    DecoderConfig config = three_layers();
    config.dropout = 0.2;
    Decoder decoder(config, 1, dtype, {}, 3);
    const TinyBatch batch = tiny_batch(2, 40, gist, 4);
    UnfoldingAttention attention(batch.layout, gist, kSelection,
                                 {.routing_loss = true, .keep_selections = true});
    const auto run = [&](bool checkpoint) {
      std::vector<std::vector<double>> result;
      const Pass pass = run_decoder(
          decoder, batch, attention,
          {.training = true, .checkpoint_activations = checkpoint, .seed = 5, .stream = 6});
      EXPECT_EQ(pass.losses.size(), 2u);
      for (const Variable& loss : pass.losses) {
        EXPECT_GT(loss.value().item(), 0);
        result.push_back({loss.value().item()});
      }
      result.push_back({pass.cross_entropy.value().item()});
      autograd::backward(autograd::add(
          pass.cross_entropy, autograd::scale(autograd::add(pass.losses[0], pass.losses[1]), 2.0)));
      for (Parameter& parameter : decoder.parameters()) {
        if (!parameter.spec.tied_to.empty()) continue;
        result.push_back(parameter.variable.gradient().to_vector<double>());
        parameter.variable.clear_gradient();
      }
      EXPECT_TRUE(attention.take_losses().empty());
      return result;
    };
    EXPECT_EQ(run(false), run(true)) << core::name_of(dtype);
    // The second pass recomputed: the selections are those of the first.
    ASSERT_EQ(attention.selections().size(), 3u);
    EXPECT_EQ(attention.selections()[0], nullptr);
    EXPECT_NE(attention.selections()[2], nullptr);
  }
}

TEST(UnfoldingAttention, RoutingLossesNobodyAsksForChangeNothing) {
  const gsa::GistConfig gist{.chunks = {3}};
  Decoder decoder(three_layers(), 1, DType::float64, {}, 3);
  const TinyBatch batch = tiny_batch(2, 40, gist, 4);
  const auto gradients = [&](bool routing, bool checkpoint) {
    UnfoldingAttention attention(batch.layout, gist, kSelection, {.routing_loss = routing});
    const Pass run = run_decoder(decoder, batch, attention, {.checkpoint_activations = checkpoint});
    autograd::backward(run.cross_entropy);
    std::vector<double> all;
    for (Parameter& parameter : decoder.parameters()) {
      if (!parameter.spec.tied_to.empty()) continue;
      const auto own = parameter.variable.gradient().to_vector<double>();
      all.insert(all.end(), own.begin(), own.end());
      parameter.variable.clear_gradient();
    }
    return all;
  };
  const std::vector<double> plain = gradients(false, false);
  EXPECT_EQ(gradients(true, false), plain);
  EXPECT_EQ(gradients(true, true), plain);
}

// Layers below first_layer are those of gist attention; with none above, so is the model.
TEST(UnfoldingAttention, FirstLayerSaysWhoSelects) {
  const gsa::GistConfig gist{.chunks = {3}};
  Decoder decoder(three_layers(), 1, DType::float64, {}, 3);
  const TinyBatch batch = tiny_batch(2, 40, gist, 4);
  const autograd::NoGrad no_grad;
  BlockAttention blocks(std::make_shared<const gsa::BlockMap>(
      gsa::make_block_map(batch.layout, gist, gsa::Visibility::gist)));
  const double gist_only = run_decoder(decoder, batch, blocks).cross_entropy.value().item();
  std::vector<double> values;
  for (const std::int64_t first : {0, 1, 2, 3}) {
    UnfoldingAttention attention(batch.layout, gist, kSelection,
                                 {.first_layer = first, .routing_loss = true});
    const Pass run = run_decoder(decoder, batch, attention);
    EXPECT_EQ(run.losses.size(), static_cast<std::size_t>(3 - first));
    values.push_back(run.cross_entropy.value().item());
  }
  EXPECT_EQ(values[3], gist_only);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NE(values[i], values[i + 1]) << i;
}

// The losses are those of the op on the layer's own queries and keys; their mean is of order 1.
TEST(UnfoldingAttention, RoutingTermsNormaliseTheLoss) {
  const gsa::GistConfig gist{.chunks = {3}};
  Decoder decoder(three_layers(), 1, DType::float64, {}, 3);
  const TinyBatch batch = tiny_batch(2, 40, gist, 4);
  UnfoldingAttention attention(batch.layout, gist, kSelection, {.routing_loss = true});
  const Pass run = run_decoder(decoder, batch, attention);
  const auto terms = static_cast<double>(
      gsa::routing_terms(*attention.context().table, decoder.attention_shape()));
  ASSERT_GT(terms, 0);
  std::int32_t most = 0;
  for (const auto& query : attention.context().table->suffix) most = std::max(most, query.tops);
  for (const Variable& loss : run.losses) {
    EXPECT_GT(loss.value().item() / terms, 0);
    EXPECT_LT(loss.value().item() / terms, std::log(static_cast<double>(most)) + 4);
  }
}

// Plans run a step on the meta device, where nothing is computed: no picks, all shapes.
TEST(UnfoldingAttention, RunsOnMeta) {
  const gsa::GistConfig gist{.chunks = {2, 2}};
  const core::Device meta = {core::DeviceType::meta, 0};
  Decoder decoder(three_layers(), 2, DType::float32, meta, 3);
  const TinyBatch batch = tiny_batch(2, 40, gist, 4);
  decoder.reserve_positions(40);
  UnfoldingAttention attention(batch.layout, gist, kSelection, {.routing_loss = true});
  const core::Shape shape = {batch.layout.size()};
  for (const bool checkpoint : {false, true}) {
    std::vector<Variable> losses;
    const Variable hidden = decoder.hidden(
        Tensor::from(batch.tokens, shape, meta), Tensor::from(batch.layout.rope, shape, meta),
        attention, {.checkpoint_activations = checkpoint, .attention_losses = &losses});
    ASSERT_EQ(losses.size(), 2u);
    autograd::backward(autograd::add(autograd::sum(hidden), autograd::add(losses[0], losses[1])));
    EXPECT_EQ(hidden.shape(), (core::Shape{80, 16}));
    EXPECT_TRUE(decoder.parameter("layers.2.attention.qkv.weight").variable.gradient().defined());
  }
}

}  // namespace
}  // namespace unfold::models
