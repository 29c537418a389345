// Sequences with links: documents computed once and reused.
#include <gtest/gtest.h>

#include <algorithm>

#include "autograd/ops/cross_entropy.h"
#include "core/error.h"
#include "gsa/attention.h"
#include "gsa/block_map.h"
#include "gsa/links.h"
#include "models/document_cache.h"
#include "models/engine.h"
#include "models/unfolding_attention.h"
#include "tests/gsa/linked_rule.h"
#include "tests/models/naive_decoder.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using core::DType;
using core::Tensor;
using gsa::PolicyKind;

constexpr std::int64_t kLinks = 2;

gsa::GistConfig gist_of(const std::vector<std::int64_t>& chunks) {
  return {.chunks = chunks, .sinks = 2, .previous_chunks = 1, .links = kLinks};
}

Decoder make_decoder(const gsa::GistConfig& gist, DType dtype = DType::float64) {
  DecoderConfig config = tiny_config();
  config.layers = 3;
  return Decoder(config, gist.levels(), dtype, {}, 12, gist.links);
}

// A system prompt, documents and a suffix.
struct Pieces {
  std::vector<std::int32_t> system;
  std::vector<Prompt> documents;
  std::vector<std::int32_t> suffix;
};

Pieces make_pieces(const gsa::GistConfig& gist, std::int64_t system) {
  Pieces pieces;
  if (system > 0) pieces.system = tiny_prompt(0, system, {.chunks = {}}, 1).tokens;
  for (const std::int64_t raw : {11, 4, 17}) {
    pieces.documents.push_back(tiny_prompt(raw, 0, gist, static_cast<std::uint64_t>(raw)));
  }
  pieces.suffix = tiny_prompt(0, 6, {.chunks = {}}, 2).tokens;
  return pieces;
}

std::vector<CachedDocument> encode(Decoder& decoder, const gsa::GistConfig& gist,
                                   const Pieces& pieces) {
  std::vector<CachedDocument> cached;
  for (const Prompt& document : pieces.documents) {
    cached.push_back(encode_document(decoder, gist, document));
  }
  return cached;
}

// Logits behind every token of the suffix, documents in the given order.
std::vector<double> with_reuse(Engine& engine, const Pieces& pieces,
                               const std::vector<CachedDocument>& cached,
                               const std::vector<std::size_t>& order) {
  const std::int64_t sequence = engine.start_linked(pieces.system);
  for (const std::size_t i : order) {
    engine.append_document(sequence, cached[i]);
    engine.append_links(sequence);
  }
  const Engine::Continuation next{sequence, pieces.suffix};
  return engine.extend(std::span(&next, 1)).to(DType::float64).to_vector<double>();
}

// The same, all computed together by the formulas under a view of one's own.
std::vector<double> recomputed(
    const Decoder& decoder, const gsa::GistConfig& gist, const Pieces& pieces,
    const std::vector<std::size_t>& order,
    const std::function<bool(const gsa::Layout&, const NaiveQuery&, std::int64_t)>& visible) {
  std::vector<std::int32_t> tokens = pieces.system;
  std::vector<std::vector<std::int8_t>> levels;
  for (const std::size_t i : order) {
    const Prompt& document = pieces.documents[i];
    levels.push_back(document.level);
    tokens.insert(tokens.end(), document.tokens.begin(), document.tokens.end());
    for (std::int64_t link = 0; link < kLinks; ++link) {
      tokens.push_back(static_cast<std::int32_t>(kTinyVocabulary + gist.levels() + link));
    }
  }
  tokens.insert(tokens.end(), pieces.suffix.begin(), pieces.suffix.end());
  const gsa::Layout linked =
      gsa::make_linked_layout(static_cast<std::int64_t>(pieces.system.size()), levels, kLinks,
                              static_cast<std::int64_t>(pieces.suffix.size()), gist);
  const std::vector<double> all =
      naive_logits(decoder, linked, tokens, [&](const NaiveQuery& query) {
        std::vector<bool> seen;
        for (std::int64_t k = 0; k <= query.position; ++k) {
          seen.push_back(visible(linked, query, k));
        }
        return seen;
      });
  const auto wanted = static_cast<std::ptrdiff_t>(pieces.suffix.size()) * kTinyVocabulary;
  return {all.end() - wanted, all.end()};
}

gsa::LinkedRule rule_of(const gsa::Layout& layout, const gsa::GistConfig& gist) {
  return {layout, 0, gsa::document_spans(layout, 0)[0], gist};
}

const std::vector<std::vector<std::size_t>> kOrders = {{0, 1, 2}, {2, 0, 1}, {1}, {2, 2}};

TEST(LinkedEngine, ReuseAtAnyPlaceEqualsRecomputing) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{3}, {2, 2}}) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      const gsa::GistConfig gist = gist_of(chunks);
      Decoder decoder = make_decoder(gist, dtype);
      for (const std::int64_t system : {4, 0}) {
        const Pieces pieces = make_pieces(gist, system);
        const std::vector<CachedDocument> cached = encode(decoder, gist, pieces);
        for (const std::vector<std::size_t>& order : kOrders) {
          Engine engine(decoder, gist, {.kind = PolicyKind::gist_only});
          const std::vector<double> expected =
              recomputed(decoder, gist, pieces, order,
                         [&](const gsa::Layout& layout, const NaiveQuery& query, std::int64_t k) {
                           return rule_of(layout, gist).sees(query.position, k);
                         });
          EXPECT_LT(largest_difference(with_reuse(engine, pieces, cached, order), expected),
                    dtype == DType::float64 ? 1e-9 : 2e-4);
        }
      }
    }
  }
}

// With a budget for every chunk, links see all of the documents up to their own, the suffix all.
TEST(LinkedEngine, LinksUnfoldToo) {
  const gsa::GistConfig gist = gist_of({3});
  Decoder decoder = make_decoder(gist);
  const Pieces pieces = make_pieces(gist, 4);
  const std::vector<CachedDocument> cached = encode(decoder, gist, pieces);
  const gsa::SelectionConfig everything = {
      .budget = gsa::Budget::fixed, .chunks = 1000, .quarter_cap = false};
  for (const PolicyKind kind : {PolicyKind::gsa, PolicyKind::h_gsa}) {
    Engine engine(decoder, gist, {.kind = kind, .selection = everything});
    const std::vector<double> expected =
        recomputed(decoder, gist, pieces, {0, 1, 2},
                   [&](const gsa::Layout& layout, const NaiveQuery& query, std::int64_t k) {
                     const auto part = layout.part[static_cast<std::size_t>(query.position)];
                     const bool unfolds =
                         query.layer > 0 && (part == gsa::Part::link || part == gsa::Part::suffix);
                     return unfolds || rule_of(layout, gist).sees(query.position, k);
                   });
    EXPECT_LT(largest_difference(with_reuse(engine, pieces, cached, {0, 1, 2}), expected), 1e-9);
  }
}

// The pieces as one prompt, documents in the given order.
Prompt prompt_of(const gsa::GistConfig& gist, const Pieces& pieces,
                 const std::vector<std::size_t>& order) {
  Prompt prompt;
  const auto append = [&](const std::vector<std::int32_t>& tokens,
                          const std::vector<std::int8_t>& level, gsa::Part part) {
    prompt.tokens.insert(prompt.tokens.end(), tokens.begin(), tokens.end());
    prompt.level.insert(prompt.level.end(), level.begin(), level.end());
    prompt.level.resize(prompt.tokens.size(), -1);
    prompt.part.resize(prompt.tokens.size(), part);
  };
  append(pieces.system, {}, gsa::Part::system);
  for (const std::size_t i : order) {
    append(pieces.documents[i].tokens, pieces.documents[i].level, gsa::Part::document);
    for (std::int32_t link = 0; link < kLinks; ++link) {
      const auto first = static_cast<std::int32_t>(kTinyVocabulary) + gist.levels();
      append({first + link}, {}, gsa::Part::link);
    }
  }
  append(pieces.suffix, {}, gsa::Part::suffix);
  return prompt;
}

// Two prompts as one row of training, each of them a document of the row.
struct TrainingRow {
  gsa::Layout layout;
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> begins;  // of the prompts
};

TrainingRow row_of(const std::vector<Prompt>& prompts, const gsa::GistConfig& gist) {
  TrainingRow row;
  std::vector<std::int8_t> level;
  std::vector<std::int32_t> document;
  std::vector<gsa::Part> part;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    row.begins.push_back(std::ssize(level));
    level.insert(level.end(), prompts[i].level.begin(), prompts[i].level.end());
    row.tokens.insert(row.tokens.end(), prompts[i].tokens.begin(), prompts[i].tokens.end());
    part.insert(part.end(), prompts[i].part.begin(), prompts[i].part.end());
    document.resize(level.size(), static_cast<std::int32_t>(i));
  }
  row.layout = gsa::make_layout(1, std::ssize(level), gist.levels(), level, document, part);
  return row;
}

std::vector<double> row_logits(Decoder& decoder, const TrainingRow& row,
                               AttentionContext& attention) {
  const autograd::NoGrad no_grad;
  const core::Shape shape = {row.layout.size()};
  const Tensor hidden =
      decoder
          .hidden(Tensor::from(row.tokens, shape), Tensor::from(row.layout.rope, shape), attention)
          .value();
  return decoder.logits(hidden).to(DType::float64).to_vector<double>();
}

// What training computes over a row is what inference computes with documents reused: logits behind
// every token of the suffix, and the keys read.
TEST(LinkedEngine, ARowOfTrainingIsWhatInferenceComputes) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{3}, {2, 2}}) {
    const gsa::GistConfig gist = gist_of(chunks);
    Decoder decoder = make_decoder(gist);
    for (const std::int64_t system : {4, 1, 0}) {
      const Pieces pieces = make_pieces(gist, system);
      const std::vector<CachedDocument> cached = encode(decoder, gist, pieces);
      const std::vector<std::vector<std::size_t>> orders = {{0, 1, 2}, {2, 0}};
      const std::vector<Prompt> prompts = {prompt_of(gist, pieces, orders[0]),
                                           prompt_of(gist, pieces, orders[1])};
      const TrainingRow row = row_of(prompts, gist);
      const gsa::SelectionConfig selection =
          gsa::for_gists({.budget = gsa::Budget::fixed, .chunks = 2, .quarter_cap = false}, gist);
      BlockAttention block(std::make_shared<const gsa::BlockMap>(
          gsa::make_block_map(row.layout, gist, gsa::Visibility::gist)));
      UnfoldingAttention unfolding(row.layout, gist, selection, {.keep_selections = true});
      const std::vector<double> by_gists = row_logits(decoder, row, block);
      const std::vector<double> unfolded = row_logits(decoder, row, unfolding);
      EXPECT_GT(largest_difference(by_gists, unfolded), 1e-3);
      const std::vector<PolicyKind> kinds =
          chunks.size() == 1
              ? std::vector{PolicyKind::gist_only, PolicyKind::gsa, PolicyKind::h_gsa}
              : std::vector{PolicyKind::gist_only, PolicyKind::h_gsa};
      for (const PolicyKind kind : kinds) {
        const bool unfolds = kind != PolicyKind::gist_only;
        std::int64_t read = 0;
        for (std::size_t i = 0; i < orders.size(); ++i) {
          Engine engine(decoder, gist, {.kind = kind, .selection = selection});
          const std::vector<double> actual = with_reuse(engine, pieces, cached, orders[i]);
          read += engine.prefill_reads().keys + engine.decode_reads().keys;
          const std::vector<double>& expected = unfolds ? unfolded : by_gists;
          const auto end = (row.begins[i] + std::ssize(prompts[i].tokens)) * kTinyVocabulary;
          EXPECT_LT(largest_difference(actual, {expected.begin() + end - std::ssize(actual),
                                                expected.begin() + end}),
                    1e-9);
          const Engine::Started started = engine.prefill(std::span(&prompts[i], 1));
          EXPECT_LT(largest_difference(started.logits.to_vector<double>(),
                                       {actual.end() - kTinyVocabulary, actual.end()}),
                    1e-12)
              << "a prompt with links";
        }
        if (!unfolds) continue;
        // Keys read by links, suffix and system prompt, a layer and head: section 5 in layer 0.
        const gsa::Reach reach = gsa::compute_reach(row.layout, gist, gsa::Visibility::gist);
        double keys = 0;
        const std::int64_t heads = decoder.attention_shape().kv_heads;
        for (std::int64_t t = 0; t < row.layout.length; ++t) {
          const gsa::Part part = row.layout.part[static_cast<std::size_t>(t)];
          if (part == gsa::Part::document) continue;
          const std::int64_t seen = gsa::count_visible_pairs(reach, 0, t, t + 1);
          keys += static_cast<double>(seen * heads * (part == gsa::Part::system ? 3 : 1));
        }
        for (std::size_t layer = 1; layer < 3; ++layer) {
          keys += static_cast<double>(heads) * gsa::count_attended(unfolding.context(), row.layout,
                                                                   *unfolding.selections()[layer])
                                                   .suffix_keys;
        }
        EXPECT_EQ(static_cast<double>(read), keys);
      }
    }
  }
}

// Prompts with and without links share a pass, and are generated from.
TEST(LinkedEngine, PromptsWithLinksAmongOthers) {
  const gsa::GistConfig gist = gist_of({3});
  Decoder decoder = make_decoder(gist);
  const Pieces pieces = make_pieces(gist, 4);
  const std::vector<Prompt> prompts = {tiny_prompt(14, 5, gist, 3), prompt_of(gist, pieces, {1, 0}),
                                       tiny_prompt(3, 9, gist, 4), prompt_of(gist, pieces, {2})};
  const GenerateOptions options = {.max_tokens = 5};
  Engine together(decoder, gist, {.kind = PolicyKind::gsa});
  const std::vector<Generated> all = generate(together, prompts, options);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Engine alone(decoder, gist, {.kind = PolicyKind::gsa});
    EXPECT_EQ(generate(alone, std::span(&prompts[i], 1), options)[0].tokens, all[i].tokens);
    EXPECT_EQ(all[i].tokens.size(), 5u);
  }
}

// A prompt may end in its links, or in its system prompt.
TEST(LinkedEngine, ThePromptMayEndEarly) {
  const gsa::GistConfig gist = gist_of({3});
  Decoder decoder = make_decoder(gist);
  Pieces pieces = make_pieces(gist, 4);
  pieces.suffix.clear();
  const std::vector<Prompt> prompts = {prompt_of(gist, pieces, {1, 0}),
                                       prompt_of(gist, pieces, {})};
  BlockAttention attention(std::make_shared<const gsa::BlockMap>(
      gsa::make_block_map(row_of(prompts, gist).layout, gist, gsa::Visibility::gist)));
  const TrainingRow row = row_of(prompts, gist);
  const std::vector<double> expected = row_logits(decoder, row, attention);
  Engine engine(decoder, gist, {.kind = PolicyKind::gist_only});
  const std::vector<double> actual = engine.prefill(prompts).logits.to_vector<double>();
  const auto first = row.begins[1] * kTinyVocabulary;
  EXPECT_LT(
      largest_difference({actual.begin(), actual.begin() + kTinyVocabulary},
                         {expected.begin() + first - kTinyVocabulary, expected.begin() + first}),
      1e-9);
  EXPECT_LT(largest_difference({actual.begin() + kTinyVocabulary, actual.end()},
                               {expected.end() - kTinyVocabulary, expected.end()}),
            1e-9);
}

// Gradients of every parameter, link rows among them, by central differences.
TEST(LinkedEngine, GradientsOfATrainingRowByDifferences) {
  const gsa::GistConfig gist = gist_of({3});
  DecoderConfig config = tiny_config();
  config.layers = 2;
  Decoder decoder(config, gist.levels(), DType::float64, {}, 12, gist.links);
  const TrainingRow row = row_of({prompt_of(gist, make_pieces(gist, 3), {1, 0})}, gist);
  const gsa::SelectionConfig selection =
      gsa::for_gists({.budget = gsa::Budget::fixed, .chunks = 1}, gist);
  UnfoldingAttention attention(row.layout, gist, selection, {.keep_selections = true});
  const core::Shape shape = {row.layout.size()};
  std::vector<std::int32_t> targets(row.tokens.size(), -1);
  for (std::size_t t = row.tokens.size() - 4; t + 1 < row.tokens.size(); ++t) {
    targets[t] = row.tokens[t + 1];
  }
  const auto loss_under = [&](AttentionContext& context) {
    const autograd::Variable hidden = decoder.hidden(Tensor::from(row.tokens, shape),
                                                     Tensor::from(row.layout.rope, shape), context);
    return autograd::linear_cross_entropy(hidden, decoder.head(), config.vocab_size,
                                          Tensor::from(targets, shape));
  };
  autograd::backward(loss_under(attention));

  // The picks of the point itself, held.
  class Held : public AttentionContext {
   public:
    Held(const UnfoldingAttention& original, std::shared_ptr<const gsa::BlockMap> map)
        : original_(original), map_(std::move(map)) {}
    autograd::Variable attend(std::int64_t layer, const autograd::Variable& qkv,
                              const gsa::AttentionShape& heads) override {
      if (!original_.selects(layer)) return gsa::attention(qkv, heads, map_);
      const auto& selections = original_.selections();
      return gsa::unfolding_attention(qkv, heads, original_.context(),
                                      *selections[static_cast<std::size_t>(layer)]);
    }

   private:
    const UnfoldingAttention& original_;
    std::shared_ptr<const gsa::BlockMap> map_;
  };
  Held held(attention, std::make_shared<const gsa::BlockMap>(
                           gsa::make_block_map(row.layout, gist, gsa::Visibility::gist)));
  const auto value = [&] {
    const autograd::NoGrad no_grad;
    return loss_under(held).value().item();
  };
  const Tensor embedding = decoder.parameter("embedding.weight").variable.value();
  const Tensor gradient = decoder.parameter("embedding.weight").variable.gradient();
  const std::int64_t first_gist = kTinyVocabulary * config.width;
  double largest = 0;
  for (std::int64_t i = first_gist; i < embedding.size(); ++i) {  // gists and links
    double* at = embedding.data<double>() + i;
    const double before = *at;
    constexpr double kStep = 1e-4;
    const auto moved = [&](double by) {
      *at = before + by * kStep;
      return value();
    };
    const double numeric = (moved(-2) - 8 * moved(-1) + 8 * moved(1) - moved(2)) / (12 * kStep);
    *at = before;
    ASSERT_NEAR(gradient.data<double>()[i], numeric, 1e-7 * std::max(1.0, std::abs(numeric)))
        << "element " << i;
    if (i >= first_gist + config.width) largest = std::max(largest, std::abs(numeric));
  }
  EXPECT_GT(largest, 1e-3) << "links learn";
}

TEST(LinkedEngine, YarnScaleIsTakenBack) {
  const gsa::GistConfig gist = gist_of({3});
  DecoderConfig config = tiny_config();
  config.rope.scaling = RopeScaling::yarn;
  config.rope.factor = 4;
  config.rope.original_context = 16;
  Decoder decoder(config, gist.levels(), DType::float64, {}, 12, gist.links);
  const Tensor keys = Tensor::from(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}, {1, 8});
  const Tensor positions = Tensor::from(std::vector<std::int32_t>{9}, {1});
  const Tensor back = decoder.rotate(decoder.rotate(keys, positions, false), positions, true);
  for (std::int64_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(back.data<double>()[i], static_cast<double>(i + 1), 1e-12);
  }
}

TEST(LinkedEngine, RejectsWhatCannotBe) {
  const gsa::GistConfig gist = gist_of({3});
  Decoder decoder = make_decoder(gist);
  EXPECT_EQ(decoder.head().dim(0), kTinyVocabulary + 1 + kLinks);
  Engine full(decoder, gist, {});
  EXPECT_THROW(full.start_linked({}), core::InternalError);
  gsa::GistConfig none = gist;
  none.links = 0;
  Decoder plain = make_decoder(none);
  Engine without(plain, none, {.kind = PolicyKind::gsa});
  EXPECT_THROW(without.start_linked({}), core::UserError);
  Engine engine(decoder, gist, {.kind = PolicyKind::gsa}, {.max_tokens = 20});
  EXPECT_THROW(engine.start_linked(std::vector<std::int32_t>{99}), core::InternalError);
  const std::int64_t sequence = engine.start_linked({});
  EXPECT_THROW(engine.append_document(sequence, {}), core::InternalError);
  const CachedDocument document = encode_document(decoder, gist, tiny_prompt(9, 0, gist, 1));
  engine.append_document(sequence, document);
  EXPECT_THROW(engine.append_document(sequence, document), core::UserError) << "too long";
  EXPECT_THROW(encode_document(decoder, gist, {}), core::InternalError);
  Prompt prompt = prompt_of(gist, make_pieces(gist, 2), {0});
  Engine roomy(decoder, gist, {.kind = PolicyKind::gsa});
  EXPECT_NO_THROW(roomy.prefill(std::span(&prompt, 1)));
  EXPECT_THROW(full.prefill(std::span(&prompt, 1)), core::InternalError);
  EXPECT_THROW(without.prefill(std::span(&prompt, 1)), core::InternalError) << "no links";
  std::swap(*std::find(prompt.tokens.begin(), prompt.tokens.end(), kTinyVocabulary + 1),
            *std::find(prompt.tokens.begin(), prompt.tokens.end(), kTinyVocabulary + 2));
  EXPECT_THROW(roomy.prefill(std::span(&prompt, 1)), core::InternalError) << "links out of order";
  prompt.part.pop_back();
  EXPECT_THROW(roomy.prefill(std::span(&prompt, 1)), core::InternalError);
  DecoderConfig dynamic = tiny_config();
  dynamic.rope.scaling = RopeScaling::dynamic;
  Decoder other(dynamic, 1, DType::float64, {}, 1, kLinks);
  EXPECT_THROW(encode_document(other, gist, tiny_prompt(9, 0, gist, 1)), core::UserError);
}

}  // namespace
}  // namespace unfold::models
