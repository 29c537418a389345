#include "models/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autograd/ops/cross_entropy.h"
#include "core/error.h"
#include "core/random.h"
#include "tests/models/naive_decoder.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using autograd::Variable;
using core::DType;
using core::Tensor;
using gsa::Visibility;

constexpr Visibility kModes[] = {Visibility::gist, Visibility::full, Visibility::causal};
const std::vector<std::vector<std::int64_t>> kChunks = {{}, {3}, {2, 2}};

std::shared_ptr<const gsa::BlockMap> block_map(const gsa::Layout& layout,
                                               const gsa::GistConfig& gist, Visibility visibility) {
  return std::make_shared<const gsa::BlockMap>(gsa::make_block_map(layout, gist, visibility));
}

Variable hidden_of(Decoder& decoder, const gsa::Layout& layout,
                   const std::vector<std::int32_t>& tokens, const gsa::GistConfig& gist,
                   Visibility visibility, const ForwardOptions& options = {}) {
  BlockAttention attention(block_map(layout, gist, visibility));
  return decoder.hidden(Tensor::from(tokens, {layout.size()}),
                        Tensor::from(layout.rope, {layout.size()}), attention, options);
}

TEST(Decoder, LogitsEqualTheFormulas) {
  for (const auto& chunks : kChunks) {
    const gsa::GistConfig gist{.chunks = chunks, .sinks = 1};
    DecoderConfig config = tiny_config();
    config.tied_embeddings = chunks.size() != 1;
    config.qkv_bias = chunks.size() == 1;
    Decoder decoder(config, gist.levels(), DType::float64, {}, 3);
    if (config.qkv_bias) {  // starts at zero: give it something to do
      for (const char* name : {"layers.0.attention.qkv.bias", "layers.1.attention.qkv.bias"}) {
        const Tensor bias = decoder.parameter(name).variable.value();
        for (std::int64_t i = 0; i < bias.size(); ++i) {
          bias.data<double>()[i] = 0.3 * std::sin(static_cast<double>(i));
        }
      }
    }
    const TinyBatch batch = tiny_batch(2, 40, gist, 1);
    for (const Visibility mode : kModes) {
      const Variable hidden = hidden_of(decoder, batch.layout, batch.tokens, gist, mode);
      EXPECT_LE(largest_difference(decoder.logits(hidden.value()).to_vector<double>(),
                                   naive_logits(decoder, batch.layout, batch.tokens, gist, mode)),
                1e-10);
    }
  }
}

// Loss of a batch as training computes it.
Variable loss_of(Decoder& decoder, const TinyBatch& batch, const gsa::GistConfig& gist,
                 const ForwardOptions& options = {}, AttentionContext* attention = nullptr) {
  BlockAttention own(block_map(batch.layout, gist, Visibility::gist));
  const Variable hidden = decoder.hidden(Tensor::from(batch.tokens, {batch.layout.size()}),
                                         Tensor::from(batch.layout.rope, {batch.layout.size()}),
                                         attention ? *attention : own, options);
  return autograd::linear_cross_entropy(hidden, decoder.head(), decoder.config().vocab_size,
                                        Tensor::from(batch.targets, {batch.layout.size()}));
}

TEST(Decoder, GradientOfEveryParameterByDifferences) {
  for (const bool tied : {true, false}) {
    const gsa::GistConfig gist{.chunks = {2, 2}, .sinks = 1};
    DecoderConfig config = tiny_config();
    config.tied_embeddings = tied;
    config.qkv_bias = true;
    config.kv_heads = tied ? 2 : 1;
    Decoder decoder(config, 2, DType::float64, {}, 3);
    const TinyBatch batch = tiny_batch(2, 22, gist, 9);
    autograd::backward(loss_of(decoder, batch, gist));
    core::Random random(17);
    for (const Parameter& parameter : decoder.parameters()) {
      if (!parameter.spec.tied_to.empty()) continue;
      const std::vector<double> gradient = parameter.variable.gradient().to_vector<double>();
      double* values = parameter.variable.value().data<double>();
      for (int trial = 0; trial < 6; ++trial) {
        const std::uint32_t i = random.below(static_cast<std::uint32_t>(gradient.size()));
        const double original = values[i];
        const auto at = [&](double offset) {
          const autograd::NoGrad no_grad;
          values[i] = original + offset;
          return loss_of(decoder, batch, gist).value().item();
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

// Embedding rows that no token uses get no gradient but the head's; gists get one as inputs only.
TEST(Decoder, GistRowsLearnAsInputsAndNotAsClasses) {
  const gsa::GistConfig gist{.chunks = {3}};
  DecoderConfig config = tiny_config();
  config.tied_embeddings = false;
  Decoder decoder(config, 1, DType::float64, {}, 3);
  const TinyBatch batch = tiny_batch(1, 30, gist, 2);
  autograd::backward(loss_of(decoder, batch, gist));
  const auto gist_row = [&](const char* name) {
    const std::vector<double> gradient =
        decoder.parameter(name).variable.gradient().to_vector<double>();
    double sum = 0;
    for (std::size_t i = kTinyVocabulary * 16; i < gradient.size(); ++i)
      sum += std::abs(gradient[i]);
    return sum;
  };
  EXPECT_GT(gist_row("embedding.weight"), 1e-3);
  EXPECT_EQ(gist_row("head.weight"), 0);
}

// Each is announced once, in front of what reads it, and not again where blocks are recomputed.
TEST(Decoder, TellsWhatItIsAboutToRead) {
  const gsa::GistConfig gist{.chunks = {3}};
  const TinyBatch batch = tiny_batch(1, 30, gist, 2);
  for (const bool tied : {false, true}) {
    DecoderConfig config = tiny_config();
    config.tied_embeddings = tied;
    config.qkv_bias = true;
    Decoder decoder(config, 1, DType::float64, {}, 3);
    for (const bool recomputed : {false, true}) {
      std::vector<std::string> announced;
      std::vector<Variable> blocks;
      std::vector<std::size_t> blocks_done;
      ForwardOptions options;
      options.checkpoint_activations = recomputed;
      options.block_outputs = &blocks;
      options.before_use = [&](const std::vector<Variable>& parameters) {
        blocks_done.push_back(blocks.size());
        for (const Variable& each : parameters) {
          for (const Parameter& known : decoder.parameters()) {
            if (known.spec.tied_to.empty() && known.variable.slot() == each.slot()) {
              announced.push_back(known.spec.name);
            }
          }
        }
      };
      BlockAttention attention(block_map(batch.layout, gist, Visibility::gist));
      autograd::backward(loss_of(decoder, batch, gist, options, &attention));
      std::vector<std::string> all;
      for (const Parameter& known : decoder.parameters()) {
        if (known.spec.tied_to.empty()) all.push_back(known.spec.name);
      }
      if (tied) all.push_back("embedding.weight");  // as the head
      EXPECT_EQ(blocks_done, (std::vector<std::size_t>{0, 0, 1, 2}));
      EXPECT_EQ(announced.front(), "embedding.weight");
      std::sort(all.begin(), all.end());
      std::sort(announced.begin(), announced.end());
      EXPECT_EQ(announced, all);
    }
  }
}

TEST(Decoder, CheckpointingChangesNoBit) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    const gsa::GistConfig gist{.chunks = {3}};
    DecoderConfig config = tiny_config();
    config.dropout = 0.2;
    Decoder decoder(config, 1, dtype, {}, 3);
    const TinyBatch batch = tiny_batch(2, 33, gist, 4);
    BlockAttention attention(block_map(batch.layout, gist, Visibility::gist));
    const auto run = [&](bool checkpoint) {
      std::vector<std::vector<double>> result;
      const Variable loss =
          loss_of(decoder, batch, gist,
                  {.training = true, .checkpoint_activations = checkpoint, .seed = 5, .stream = 6},
                  &attention);
      autograd::backward(loss);
      result.push_back({loss.value().item()});
      for (Parameter& parameter : decoder.parameters()) {
        if (!parameter.spec.tied_to.empty()) continue;
        result.push_back(parameter.variable.gradient().to_vector<double>());
        parameter.variable.clear_gradient();
      }
      return result;
    };
    EXPECT_EQ(run(false), run(true)) << core::name_of(dtype);
  }
}

TEST(Decoder, DropoutIsAFunctionOfSeedAndStream) {
  const gsa::GistConfig gist{.chunks = {3}};
  DecoderConfig config = tiny_config();
  config.dropout = 0.3;
  Decoder decoder(config, 1, DType::float32, {}, 3);
  const TinyBatch batch = tiny_batch(1, 20, gist, 4);
  const auto loss = [&](bool training, std::uint64_t seed, std::uint64_t stream) {
    return loss_of(decoder, batch, gist, {.training = training, .seed = seed, .stream = stream})
        .value()
        .item();
  };
  EXPECT_EQ(loss(true, 1, 2), loss(true, 1, 2));
  EXPECT_NE(loss(true, 1, 2), loss(true, 1, 3));
  EXPECT_NE(loss(true, 1, 2), loss(true, 2, 2));
  EXPECT_EQ(loss(false, 1, 2), loss(false, 2, 3));
}

TEST(Decoder, BlockOutputsAreTheResidualStream) {
  const gsa::GistConfig gist{.chunks = {3}};
  Decoder decoder(tiny_config(), 1, DType::float64, {}, 3);
  const TinyBatch batch = tiny_batch(1, 20, gist, 4);
  std::vector<Variable> blocks;
  const Variable hidden = hidden_of(decoder, batch.layout, batch.tokens, gist, Visibility::gist,
                                    {.block_outputs = &blocks});
  ASSERT_EQ(blocks.size(), 2u);
  // The final norm of the last one is the result; norm weights are ones.
  const std::vector<double> last = blocks[1].value().to_vector<double>();
  const std::vector<double> states = hidden.value().to_vector<double>();
  for (std::size_t t = 0; t < 20; ++t) {
    double squares = 0;
    for (std::size_t i = 0; i < 16; ++i) squares += last[t * 16 + i] * last[t * 16 + i];
    const double scale = 1 / std::sqrt(squares / 16 + 1e-5);
    for (std::size_t i = 0; i < 16; ++i) {
      EXPECT_NEAR(states[t * 16 + i], last[t * 16 + i] * scale, 1e-12);
    }
  }
}

TEST(Decoder, Bfloat16IsCloseToFloat32) {
  const gsa::GistConfig gist{.chunks = {3}};
  const TinyBatch batch = tiny_batch(4, 40, gist, 4);
  const auto targets = static_cast<double>(
      std::count_if(batch.targets.begin(), batch.targets.end(), [](int t) { return t >= 0; }));
  Decoder single(tiny_config(), 1, DType::float32, {}, 3);
  Decoder half(tiny_config(), 1, DType::bfloat16, {}, 3);
  const double expected = loss_of(single, batch, gist).value().item() / targets;
  const Variable loss = loss_of(half, batch, gist);
  EXPECT_EQ(loss.dtype(), DType::float32);
  EXPECT_NEAR(loss.value().item() / targets, expected, 0.02 * expected);
  autograd::backward(loss);
  for (const Parameter& parameter : half.parameters()) {
    EXPECT_EQ(parameter.variable.gradient().dtype(), DType::float32) << parameter.spec.name;
  }
}

// METHOD.md section 7: with as many previous chunks as there are, one level is causal.
TEST(Decoder, ManyPreviousChunksMakeOneLevelCausal) {
  const gsa::GistConfig gist{.chunks = {3}, .sinks = 0, .previous_chunks = 100};
  Decoder decoder(tiny_config(), 1, DType::float64, {}, 3);
  const TinyBatch batch = tiny_batch(2, 40, gist, 4);
  const auto states = [&](Visibility mode) {
    return hidden_of(decoder, batch.layout, batch.tokens, gist, mode).value().to_vector<double>();
  };
  EXPECT_LE(largest_difference(states(Visibility::gist), states(Visibility::causal)), 1e-12);
  EXPECT_GT(largest_difference(states(Visibility::full), states(Visibility::causal)), 1e-3);
}

// And an upper level that closes nothing before the end leaves the prefix as it is with one level.
TEST(Decoder, AnUpperLevelWithoutGroupsReproducesOneLevel) {
  const gsa::GistConfig one{.chunks = {3}, .sinks = 1};
  const gsa::GistConfig two{.chunks = {3, 50}, .sinks = 1};
  Decoder decoder(tiny_config(), 2, DType::float64, {}, 3);
  const Prompt short_prompt = tiny_prompt(20, 0, one, 6);
  const Prompt long_prompt = tiny_prompt(20, 0, two, 6);
  ASSERT_EQ(long_prompt.tokens.size(), short_prompt.tokens.size() + 1);
  const auto states = [&](const Prompt& prompt, const gsa::GistConfig& gist) {
    return hidden_of(decoder, one_row(prompt.level, gist.levels()), prompt.tokens, gist,
                     Visibility::gist)
        .value()
        .to_vector<double>();
  };
  std::vector<double> upper = states(long_prompt, two);
  upper.resize(upper.size() - 16);
  EXPECT_LE(largest_difference(upper, states(short_prompt, one)), 1e-12);
}

TEST(Decoder, RejectsMisuse) {
  DecoderConfig config = tiny_config();
  config.vocab_size = 0;
  EXPECT_THROW(Decoder(config, 1, DType::float32, {}, 1), core::InternalError);
  Decoder decoder(tiny_config(), 1, DType::float32, {}, 1);
  EXPECT_THROW(decoder.parameter("layers.2.mlp.down.weight"), core::InternalError);
  const gsa::GistConfig gist{.chunks = {3}};
  const gsa::Layout layout = one_row({-1, -1}, 1);
  EXPECT_THROW(hidden_of(decoder, layout, {0, kTinyVocabulary + 1}, gist, Visibility::gist),
               core::InternalError);
}

}  // namespace
}  // namespace unfold::models
