// The engine's way without the host: plans, and the short way of a few tokens.
#include <algorithm>

#include "core/kernels/nn.h"
#include "core/kernels/row_linear.h"
#include "models/engine.h"
#include "models/engine_sequence.h"

namespace unfold::models {

using core::Tensor;

std::unique_ptr<gsa::StepPlan> Engine::new_plan() const {
  return std::make_unique<gsa::StepPlan>(decoder_.attention_shape(), decoder_.config().layers,
                                         decoder_.gist_levels(), decoder_.dtype(),
                                         decoder_.device());
}

bool Engine::below_prefix(std::span<const Feed> feeds) const {
  return std::any_of(feeds.begin(), feeds.end(), [this](const Feed& feed) {
    return feed.first < policy_->prefix(feed.sequence->facts);
  });
}

bool Engine::observed(std::span<const Feed> feeds) const {
  if (!options_.observer) return false;
  return std::any_of(feeds.begin(), feeds.end(), [this](const Feed& feed) {
    const auto count = static_cast<std::int64_t>(feed.tokens.size());
    return feed.first + count > options_.observe_from;
  });
}

bool Engine::make_plan(gsa::StepPlan& plan, std::span<const Feed> feeds) const {
  std::vector<gsa::StepSequence> sequences;
  std::vector<std::int32_t> tokens;
  for (const Feed& feed : feeds) {
    gsa::StepSequence sequence;
    sequence.tokens = &feed.sequence->tokens;
    sequence.facts = feed.sequence->facts;
    sequence.stores = feed.sequence->stores;
    sequence.children = &feed.sequence->children;
    sequence.first = feed.first;
    sequence.prefix = policy_->prefix(feed.sequence->facts);
    sequences.push_back(sequence);
    tokens.insert(tokens.end(), feed.tokens.begin(), feed.tokens.end());
  }
  return plan.set(*policy_, sequences, tokens);
}

std::int64_t Engine::positions_of(std::span<const Feed> feeds) {
  std::int64_t positions = 1;
  for (const Feed& feed : feeds) {
    for (std::size_t t = 0; t < feed.tokens.size(); ++t) {
      const std::int64_t position = feed.first + static_cast<std::int64_t>(t);
      positions = std::max<std::int64_t>(positions, feed.sequence->tokens.rope(position) + 1);
    }
  }
  return positions;
}

void Engine::count_fixed(const gsa::StepPlan& plan, std::span<const Feed> feeds) {
  for (std::size_t slot = 0; slot < feeds.size(); ++slot) {
    const gsa::StepPlan::Fixed& fixed = plan.fixed()[slot];
    for (gsa::ReadCount* reads : {&decode_reads_, &feeds[slot].sequence->decode}) {
      reads->keys += fixed.keys;
      reads->units += fixed.units;
    }
  }
}

void Engine::collect_reads() const {
  if (plan_ == nullptr) return;
  const std::vector<gsa::StepPlan::Reads> counted = plan_->take_reads();
  for (std::size_t slot = 0; slot < std::min(counted.size(), slots_.size()); ++slot) {
    decode_reads_.keys += counted[slot].keys;
    decode_reads_.scored += counted[slot].scored;
    const auto found = sequences_.find(slots_[slot]);
    if (found == sequences_.end()) continue;  // released
    found->second->decode.keys += counted[slot].keys;
    found->second->decode.scored += counted[slot].scored;
  }
}

void Engine::keep_slots(std::span<const Feed> feeds) {
  const bool same = std::equal(
      feeds.begin(), feeds.end(), slots_.begin(), slots_.end(),
      [](const Feed& feed, std::int64_t number) { return feed.sequence->number == number; });
  if (same) return;
  collect_reads();
  slots_.clear();
  for (const Feed& feed : feeds) slots_.push_back(feed.sequence->number);
}

const gsa::ReadCount& Engine::decode_reads() const {
  collect_reads();
  return decode_reads_;
}

const gsa::ReadCount& Engine::decode_reads(std::int64_t number) const {
  collect_reads();
  return sequence(number).decode;
}

Tensor Engine::few_logits(std::span<const Feed> feeds,
                          const std::vector<std::int32_t>& wanted_rows) {
  std::int64_t rows = 0;
  for (const Feed& feed : feeds) rows += static_cast<std::int64_t>(feed.tokens.size());
  if (options_.path != EnginePath::graph || rows > core::kernels::kFewRows || below_prefix(feeds) ||
      observed(feeds)) {
    return {};
  }
  if (plan_ == nullptr) plan_ = new_plan();
  keep_slots(feeds);
  if (!make_plan(*plan_, feeds)) return {};
  decoder_.reserve_positions(positions_of(feeds));
  if (step_ == nullptr) step_ = std::make_unique<DecodeStep>(decoder_);
  const Tensor logits = step_->run(*plan_);
  count_fixed(*plan_, feeds);
  // The step's own memory is written again by the next one.
  const auto wanted = static_cast<std::int64_t>(wanted_rows.size());
  const Tensor result = Tensor::empty({wanted, logits.dim(1)}, logits.dtype(), logits.device());
  core::kernels::gather_rows(logits, Tensor::from(wanted_rows, {wanted}, logits.device()), result);
  return result;
}

}  // namespace unfold::models
