// Sequences with links: documents computed once and reused.
#include <gtest/gtest.h>

#include "core/error.h"
#include "gsa/links.h"
#include "models/document_cache.h"
#include "models/engine.h"
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
    const std::function<bool(const gsa::LinkedLayout&, const NaiveQuery&, std::int64_t)>& visible) {
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
  const gsa::LinkedLayout linked =
      gsa::make_linked_layout(static_cast<std::int64_t>(pieces.system.size()), levels, kLinks,
                              static_cast<std::int64_t>(pieces.suffix.size()), gist);
  gsa::Layout layout = one_row(linked.level, gist.levels());
  EXPECT_EQ(layout.rope, linked.rope);
  const std::vector<double> all =
      naive_logits(decoder, layout, tokens, [&](const NaiveQuery& query) {
        std::vector<bool> seen;
        for (std::int64_t k = 0; k <= query.position; ++k) {
          seen.push_back(visible(linked, query, k));
        }
        return seen;
      });
  const auto wanted = static_cast<std::ptrdiff_t>(pieces.suffix.size()) * kTinyVocabulary;
  return {all.end() - wanted, all.end()};
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
          const std::vector<double> expected = recomputed(
              decoder, gist, pieces, order,
              [&](const gsa::LinkedLayout& layout, const NaiveQuery& query, std::int64_t k) {
                return gsa::linked_visible(layout, gist, query.position, k);
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
    const std::vector<double> expected = recomputed(
        decoder, gist, pieces, {0, 1, 2},
        [&](const gsa::LinkedLayout& layout, const NaiveQuery& query, std::int64_t k) {
          const auto part = layout.part[static_cast<std::size_t>(query.position)];
          const bool unfolds = query.layer > 0 && (part == gsa::LinkedLayout::Part::link ||
                                                   part == gsa::LinkedLayout::Part::suffix);
          return unfolds || gsa::linked_visible(layout, gist, query.position, k);
        });
    EXPECT_LT(largest_difference(with_reuse(engine, pieces, cached, {0, 1, 2}), expected), 1e-9);
  }
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
  DecoderConfig dynamic = tiny_config();
  dynamic.rope.scaling = RopeScaling::dynamic;
  Decoder other(dynamic, 1, DType::float64, {}, 1, kLinks);
  EXPECT_THROW(encode_document(other, gist, tiny_prompt(9, 0, gist, 1)), core::UserError);
}

}  // namespace
}  // namespace unfold::models
