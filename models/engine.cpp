#include "models/engine.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>

#include "core/kernels/nn.h"
#include "core/kernels/row_linear.h"
#include "models/engine_sequence.h"

namespace unfold::models {

using core::Tensor;

// One forward pass: hands every layer the caches of the sequences that take part.
class Engine::Attention : public AttentionContext {
 public:
  Attention(const gsa::AttentionPolicy& policy, std::span<const Feed> feeds, const PrefixMaps& maps,
            const EngineOptions& options, const gsa::StepPlan* plan)
      : reads(feeds.size()),
        policy_(policy),
        feeds_(feeds),
        maps_(maps),
        options_(options),
        plan_(plan) {}

  autograd::Variable attend(std::int64_t layer, const autograd::Variable& qkv,
                            const gsa::AttentionShape& shape) override {
    const gsa::BlockMap* const map = maps_.at(layer, policy_.sparse_from());
    if (plan_ != nullptr) {
      return autograd::Variable(
          gsa::planned_attention(qkv.value().contiguous(), map, *plan_, layer));
    }
    const auto at = static_cast<std::size_t>(layer);
    std::vector<gsa::CachedTokens> sequences;
    std::vector<gsa::SelectionObserver> observers(feeds_.size());
    std::int64_t row = 0;
    for (std::size_t i = 0; i < feeds_.size(); ++i) {
      const Feed& feed = feeds_[i];
      Sequence& sequence = *feed.sequence;
      gsa::CachedTokens tokens;
      tokens.tokens = &sequence.tokens;
      tokens.store = &sequence.stores[at];
      tokens.heads = sequence.heads[at];
      tokens.row = row;
      tokens.first = feed.first;
      tokens.prefix = policy_.prefix(sequence.facts);
      tokens.observe_from = policy_.observe_from(sequence.facts);
      if (options_.observer) {
        observers[i] = [this, &sequence, layer](std::int64_t kv_head, std::int64_t position,
                                                const gsa::SelectionTrace& trace,
                                                const std::vector<gsa::CacheSpan>& spans) {
          if (position < options_.observe_from) return;
          options_.observer({sequence.number, layer, kv_head, position}, trace, spans);
        };
        tokens.observer = &observers[i];
      }
      sequences.push_back(tokens);
      row += static_cast<std::int64_t>(feed.tokens.size());
    }
    const Tensor out = gsa::cached_attention(qkv.value().contiguous(), shape, map, sequences);
    for (std::size_t i = 0; i < feeds_.size(); ++i) reads[i] += sequences[i].count;
    return autograd::Variable(out);
  }

  std::vector<gsa::ReadCount> reads;  // (feeds)

 private:
  const gsa::AttentionPolicy& policy_;
  std::span<const Feed> feeds_;
  const PrefixMaps& maps_;
  const EngineOptions& options_;
  const gsa::StepPlan* plan_;  // nullptr: policies are asked
};

namespace {

EnginePath path_for(const Decoder& decoder, const EngineOptions& options) {
  if (options.path != EnginePath::automatic) return options.path;
  const char* const setting = std::getenv("UNFOLD_DECODE");
  const std::string_view wanted = setting == nullptr ? "" : setting;
  if (wanted == "host") return EnginePath::host;
  if (wanted == "device") return EnginePath::device;
  if (wanted == "graph") return EnginePath::graph;
  core::require(wanted.empty(), "engine", "UNFOLD_DECODE={}: choose host, device or graph", wanted);
  return decoder.device().is_cpu() ? EnginePath::host : EnginePath::graph;
}

}  // namespace

Engine::Engine(Decoder& decoder, const gsa::GistConfig& gist, const gsa::PolicyConfig& policy,
               EngineOptions options)
    : decoder_(decoder),
      gist_(gist),
      policy_(gsa::make_policy(policy, gist, decoder.attention_shape())),
      options_(std::move(options)) {
  core::require(gist.levels() == decoder.gist_levels(), "engine",
                "gists of {} levels for a model of {}: use the config it was trained with",
                gist.levels(), decoder.gist_levels());
  options_.streaming = options_.streaming && policy_->gists();
  options_.path = path_for(decoder, options_);
}

Engine::~Engine() = default;

Engine::Sequence& Engine::sequence(std::int64_t number) const {
  const auto found = sequences_.find(number);
  core::check(found != sequences_.end(), "engine", "no sequence {}", number);
  return *found->second;
}

const gsa::SequenceTokens& Engine::tokens(std::int64_t number) const {
  return sequence(number).tokens;
}

void Engine::release(std::int64_t number) {
  sequence(number);
  sequences_.erase(number);
}

std::size_t Engine::cache_bytes() const {
  std::size_t total = 0;
  for (const auto& [number, sequence] : sequences_) {
    for (const gsa::KeyStore& store : sequence->stores) total += store.bytes();
  }
  return total;
}

void Engine::check_prompt(const Prompt& prompt) const {
  check_tokens(prompt, decoder_.config().vocab_size, decoder_.gist_levels(), decoder_.links());
  const auto length = static_cast<std::int64_t>(prompt.tokens.size());
  core::require(length <= options_.max_tokens, "engine",
                "a prompt of {} tokens is longer than the {} positions a sequence may have: "
                "shorten it",
                length, options_.max_tokens);
  const bool gists = std::any_of(prompt.level.begin(), prompt.level.end(),
                                 [](std::int8_t level) { return level >= 0; });
  core::check(!gists || policy_->gists(), "engine", "gists under a method that reads none");
}

Engine::Sequence& Engine::start(const gsa::SequenceFacts& facts) {
  const gsa::AttentionShape shape = decoder_.attention_shape();
  auto sequence = std::make_unique<Sequence>(decoder_.gist_levels(), gist_);
  sequence->number = next_;
  sequence->facts = facts;
  for (std::int64_t layer = 0; layer < decoder_.config().layers; ++layer) {
    sequence->stores.emplace_back(shape, decoder_.gist_levels(), decoder_.dtype(),
                                  decoder_.device());
    sequence->heads.emplace_back();
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      sequence->heads.back().push_back(policy_->head(facts, layer, head));
    }
  }
  return *sequences_.emplace(next_++, std::move(sequence)).first->second;
}

Engine::Started Engine::prefill(std::span<const Prompt> prompts) {
  core::check(!prompts.empty(), "engine", "no prompts");
  for (const Prompt& prompt : prompts) check_prompt(prompt);
  std::vector<Feed> feeds;
  std::vector<std::int32_t> last;
  std::int32_t rows = 0;
  Started started;
  started.first = next_;
  for (const Prompt& prompt : prompts) {
    if (prompt.part.empty()) {
      const auto length = static_cast<std::int64_t>(prompt.tokens.size());
      Sequence& own = start({suffix_begin(prompt), length});
      for (const std::int8_t level : prompt.level) own.tokens.append(level);
      feeds.push_back({&own, 0, prompt.tokens});
    } else {
      feeds.push_back(start_prompt(prompt));
    }
    rows += static_cast<std::int32_t>(feeds.back().tokens.size());
    last.push_back(rows - 1);
  }
  started.logits = decoder_.logits(forward(feeds, last, prefill_reads_));
  return started;
}

void Engine::check_continuations(std::span<const Continuation> continuations) const {
  core::check(!continuations.empty(), "engine", "nothing to go on with");
  std::set<std::int64_t> numbers;
  for (const Continuation& continuation : continuations) {
    const Sequence& own = sequence(continuation.sequence);
    core::check(numbers.insert(own.number).second, "engine", "sequence {} goes on twice",
                own.number);
    core::check(!continuation.tokens.empty(), "engine", "no tokens for sequence {}", own.number);
    for (const std::int32_t token : continuation.tokens) {
      core::check(token >= 0 && token < decoder_.config().vocab_size, "engine", "token {} of {}",
                  token, decoder_.config().vocab_size);
    }
    check_length(own, static_cast<std::int64_t>(continuation.tokens.size()));
  }
}

void Engine::check_length(const Sequence& own, std::int64_t more) const {
  core::require(own.tokens.size() + more <= options_.max_tokens, "engine",
                "a sequence of {} tokens is longer than the {} positions it may have: shorten the "
                "prompt or generate less",
                own.tokens.size() + more, options_.max_tokens);
}

Tensor Engine::extend(std::span<const Continuation> continuations) {
  check_continuations(continuations);
  std::vector<Feed> feeds;
  std::vector<std::int32_t> wanted;
  std::int32_t row = 0;
  for (const Continuation& continuation : continuations) {
    Sequence& own = sequence(continuation.sequence);
    Feed feed{&own, own.tokens.size(), {}};
    for (const std::int32_t token : continuation.tokens) {
      for (const std::int8_t level : gists_before(own, token)) {
        own.tokens.append(level);
        feed.tokens.push_back(static_cast<std::int32_t>(decoder_.config().vocab_size) + level);
        ++row;
      }
      own.tokens.append(-1);
      feed.tokens.push_back(token);
      wanted.push_back(row++);
    }
    feeds.push_back(std::move(feed));
  }
  const Tensor logits = few_logits(feeds, wanted);
  return logits.defined() ? logits : decoder_.logits(forward(feeds, wanted, decode_reads_));
}

std::vector<std::int8_t> Engine::gists_before(Sequence& own, std::int32_t token) const {
  if (!options_.streaming) return {};
  const bool starts =
      options_.starts_word.empty() || options_.starts_word.at(static_cast<std::size_t>(token)) != 0;
  return own.insertion.before_token(starts);
}

Engine::PrefixMaps Engine::prefix_maps(std::span<const Feed> feeds) const {
  std::vector<std::int32_t> document;
  std::vector<std::int8_t> level;
  std::vector<gsa::KeyWindow> windows;
  PrefixMaps maps;
  if (!below_prefix(feeds)) return maps;
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    const Feed& feed = feeds[i];
    for (std::size_t t = 0; t < feed.tokens.size(); ++t) {
      const std::int64_t position = feed.first + static_cast<std::int64_t>(t);
      level.push_back(static_cast<std::int8_t>(feed.sequence->tokens.level(position)));
      document.push_back(static_cast<std::int32_t>(i));
    }
    const std::optional<gsa::KeyWindow> window = policy_->prefix_window(feed.sequence->facts);
    if (window) windows.push_back(*window);
  }
  const auto count = static_cast<std::int64_t>(level.size());
  const gsa::Layout layout = gsa::make_layout(1, count, decoder_.gist_levels(), level, document);
  if (windows.empty() || policy_->sparse_from() > 0) {
    maps.dense = gsa::make_block_map(layout, gist_, policy_->prefix_visibility());
  }
  if (!windows.empty()) maps.sparse = gsa::make_window_map(layout, windows);
  return maps;
}

Tensor Engine::forward(std::span<const Feed> feeds, const std::vector<std::int32_t>& wanted_rows,
                       gsa::ReadCount& reads) {
  const autograd::NoGrad no_grad;
  std::vector<std::int32_t> tokens, positions;
  for (const Feed& feed : feeds) {
    for (std::size_t t = 0; t < feed.tokens.size(); ++t) {
      const std::int64_t position = feed.first + static_cast<std::int64_t>(t);
      tokens.push_back(feed.tokens[t]);
      positions.push_back(feed.sequence->tokens.rope(position));
    }
  }
  const auto count = static_cast<std::int64_t>(tokens.size());
  const PrefixMaps maps = prefix_maps(feeds);
  // Only the plan of decoding is kept: its counts are read when they are asked for.
  const bool decoding = &reads == &decode_reads_;
  std::unique_ptr<gsa::StepPlan> own;
  gsa::StepPlan* plan = nullptr;
  if (options_.path != EnginePath::host && !observed(feeds)) {
    std::unique_ptr<gsa::StepPlan>& kept = decoding ? plan_ : own;
    if (kept == nullptr) kept = new_plan();
    if (decoding) keep_slots(feeds);
    if (make_plan(*kept, feeds)) plan = kept.get();
  }
  Attention attention(*policy_, feeds, maps, options_, plan);
  const Tensor hidden = decoder_
                            .hidden(Tensor::from(tokens, {count}, decoder_.device()),
                                    Tensor::from(positions, {count}, decoder_.device()), attention,
                                    {.positions = positions_of(feeds)})
                            .value();
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    reads += attention.reads[i];
    if (decoding) feeds[i].sequence->decode += attention.reads[i];
  }
  if (plan != nullptr && decoding) count_fixed(*plan, feeds);
  if (plan != nullptr && !decoding) {
    for (const gsa::StepPlan::Fixed& fixed : plan->fixed()) {
      reads.keys += fixed.keys;
      reads.units += fixed.units;
    }
    for (const gsa::StepPlan::Reads& counted : plan->take_reads()) {
      reads.keys += counted.keys;
      reads.scored += counted.scored;
    }
  }
  const auto wanted = static_cast<std::int64_t>(wanted_rows.size());
  const Tensor result = Tensor::empty({wanted, hidden.dim(1)}, hidden.dtype(), hidden.device());
  core::kernels::gather_rows(hidden, Tensor::from(wanted_rows, {wanted}, decoder_.device()),
                             result);
  return result;
}

}  // namespace unfold::models
