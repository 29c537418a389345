// Sequences with links: documents that are loaded, not computed.
#include "core/kernels/elementwise.h"
#include "gsa/links.h"
#include "models/engine.h"
#include "models/engine_sequence.h"

namespace unfold::models {

using core::Tensor;

std::int64_t Engine::start_linked(std::span<const std::int32_t> system) {
  core::check(policy_->gists(), "engine", "links under a method that reads no gists");
  core::require(decoder_.links() > 0, "engine",
                "the model has no link tokens (gist.links is 0): use one trained with links");
  for (const std::int32_t token : system) {
    core::check(token >= 0 && token < decoder_.config().vocab_size, "engine", "token {} of {}",
                token, decoder_.config().vocab_size);
  }
  Sequence& own = start({0, 0});
  feed_anchors(own, system, gsa::TokenRole::anchor);
  return own.number;
}

Engine::Feed Engine::append(Sequence& own, std::span<const std::int32_t> tokens,
                            gsa::TokenRole role) {
  Feed feed{&own, own.tokens.size(), {tokens.begin(), tokens.end()}};
  check_length(own, static_cast<std::int64_t>(tokens.size()));
  for (std::size_t i = 0; i < tokens.size(); ++i) own.tokens.append(-1, role);
  return feed;
}

void Engine::feed_anchors(Sequence& own, std::span<const std::int32_t> tokens,
                          gsa::TokenRole role) {
  if (tokens.empty()) return;
  const Feed feed = append(own, tokens, role);
  forward(std::span(&feed, 1), {0}, prefill_reads_);
}

Engine::Feed Engine::start_prompt(const Prompt& prompt) {
  Sequence& own = sequence(start_linked({}));
  const std::vector<gsa::PartRun> runs = gsa::part_runs(prompt.part);
  for (const gsa::PartRun& run : runs) {
    const std::vector<std::int32_t> tokens(prompt.tokens.begin() + run.begin,
                                           prompt.tokens.begin() + run.end);
    if (run.part == gsa::Part::document) {
      const std::vector<std::int8_t> level(prompt.level.begin() + run.begin,
                                           prompt.level.begin() + run.end);
      append_document(own.number, encode_document(decoder_, gist_, {tokens, level}));
      continue;
    }
    const gsa::TokenRole role = run.part == gsa::Part::link     ? gsa::TokenRole::link
                                : run.part == gsa::Part::system ? gsa::TokenRole::anchor
                                                                : gsa::TokenRole::plain;
    if (run == runs.back()) return append(own, tokens, role);
    feed_anchors(own, tokens, role);
  }
  throw core::InternalError("engine", "a prompt with links that ends in a document");
}

void Engine::append_document(std::int64_t number, const CachedDocument& document) {
  Sequence& own = sequence(number);
  const gsa::AttentionShape shape = decoder_.attention_shape();
  const auto count = static_cast<std::int64_t>(document.level.size());
  core::check(count > 0 && document.level[0] < 0 && document.keys.size() == own.stores.size() &&
                  document.values.size() == own.stores.size(),
              "engine", "a document of {} tokens and {} layers", count, document.keys.size());
  check_length(own, count);
  const std::int64_t first = own.tokens.size();
  std::vector<std::int32_t> positions;
  own.tokens.begin_document();
  for (std::int64_t t = 0; t < count; ++t) {
    const int level = document.level[static_cast<std::size_t>(t)];
    const bool sink = level < 0 && t < gist_.sinks;
    own.tokens.append(level, sink ? gsa::TokenRole::anchor : gsa::TokenRole::plain);
    positions.push_back(own.tokens.rope(first + t));
  }
  const Tensor rope = Tensor::from(positions, {count}, decoder_.device());
  for (std::size_t layer = 0; layer < own.stores.size(); ++layer) {
    gsa::KeyStore& store = own.stores[layer];
    store.move_to(decoder_.device());
    for (int section = 0; section < own.tokens.sections(); ++section) {
      store.extend(section,
                   own.tokens.before(section, first + count) - own.tokens.before(section, first));
    }
    const core::Shape by_head = {count, shape.kv_heads, shape.width};
    const Tensor keys = decoder_.rotate(document.keys[layer], rope, false).reshape(by_head);
    const Tensor values = document.values[layer].reshape(by_head);
    for (std::int64_t begin = 0; begin < count;) {
      const int section = gsa::section_of(own.tokens.level(first + begin));
      std::int64_t end = begin + 1;  // of the run of tokens of this section
      while (end < count && gsa::section_of(own.tokens.level(first + end)) == section) ++end;
      const std::int64_t at = own.tokens.before(section, first + begin);
      const auto store_run = [&](const Tensor& from, const Tensor& to) {
        core::kernels::copy(from.slice(0, begin, end).transpose(0, 1),
                            to.slice(1, at, at + end - begin));
      };
      store_run(keys, store.keys(section));
      store_run(values, store.values(section));
      begin = end;
    }
  }
}

void Engine::append_links(std::int64_t number) {
  std::vector<std::int32_t> links;
  const std::int64_t first = decoder_.config().vocab_size + decoder_.gist_levels();
  for (std::int64_t i = 0; i < decoder_.links(); ++i) {
    links.push_back(static_cast<std::int32_t>(first + i));
  }
  feed_anchors(sequence(number), links, gsa::TokenRole::link);
}

}  // namespace unfold::models
