#include "gsa/step_plan.h"

#include <algorithm>
#include <cstring>

#include "core/kernels/elementwise.h"
#include "gsa/cached_attention.h"

namespace unfold::gsa {
namespace {

using core::DType;
using core::Tensor;

constexpr std::int64_t kWord = sizeof(std::int32_t);

template <typename T>
constexpr std::int64_t words_of(std::int64_t count) {
  static_assert(sizeof(T) % kWord == 0);
  return (count * static_cast<std::int64_t>(sizeof(T) / kWord) + 3) / 4 * 4;  // keeps 16 bytes
}

// Room for what grows by one from pass to pass: not every pass outgrows it.
std::int64_t with_room(std::int64_t wanted) {
  return wanted + wanted / 4 + 1024;
}

}  // namespace

void DeviceChildren::update(const SequenceTokens& tokens, core::Device device) {
  levels_.resize(static_cast<std::size_t>(tokens.levels()));
  for (int level = 0; level < tokens.levels(); ++level) {
    const std::vector<std::int32_t>& first = tokens.gists(level).first_child;
    Level& own = levels_[static_cast<std::size_t>(level)];
    const auto size = static_cast<std::int64_t>(first.size());
    if (size == own.size) continue;
    if (!own.first.defined() || own.first.dim(0) < size) {
      own.first = Tensor::empty({size + size / 2}, DType::int32, device);
      own.size = 0;
    }
    core::copy_bytes(device, own.first.data<std::int32_t>() + own.size, core::Device{},
                     first.data() + own.size, static_cast<std::size_t>((size - own.size) * kWord));
    own.size = size;
  }
}

StepChildren DeviceChildren::get() const {
  StepChildren children;
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    children.first[level] = levels_[level].first.data<std::int32_t>();
  }
  return children;
}

StepPlan::StepPlan(const AttentionShape& shape, std::int64_t layers, int levels, DType dtype,
                   core::Device device)
    : shape_(shape), layers_(layers), levels_(levels), dtype_(dtype), device_(device) {}

std::int64_t StepPlan::splits() const {
  // Enough blocks for a large device, whatever the number of queries that share it; a constant, so
  // that results do not depend on the device.
  const std::int64_t shares = std::min(queries_, kStepQueries) * shape_.kv_heads;
  return std::clamp<std::int64_t>(kStepParts / std::max<std::int64_t>(1, shares), 1, kMostSplits);
}

Tensor StepPlan::token_ids() const {
  return buffer_.slice(0, ids_at_, ids_at_ + rows_);
}

void StepPlan::reserve(std::int64_t rows, std::int64_t queries, std::int64_t slots) {
  if (buffer_.defined() && rows <= rows_room_ && queries <= queries_room_ && slots <= slots_room_) {
    return;
  }
  rows_room_ = std::max(rows, rows_room_);
  queries_room_ = std::max(queries, queries_room_);
  slots_room_ = std::max(slots, slots_room_);
  queries_at_ = 0;
  children_at_ = queries_at_ + words_of<StepQuery>(queries_room_);
  sections_at_ = children_at_ + words_of<StepChildren>(slots_room_);
  tokens_at_ = sections_at_ + words_of<StepSection>(layers_ * slots_room_ * kStepSections);
  ids_at_ = tokens_at_ + words_of<StepToken>(rows_room_);
  const std::int64_t words = ids_at_ + words_of<std::int32_t>(rows_room_);
  host_.assign(static_cast<std::size_t>(words), 0);
  buffer_ = Tensor::empty({words}, DType::int32, device_);
  // Counts that nobody has taken yet are kept: more slots are other sequences, for which they are.
  if (!reads_.defined() || reads_.dim(0) < slots_room_) {
    reads_ = Tensor::zeros({slots_room_, 2}, DType::int64, device_);
  }
  ++version_;
}

void StepPlan::reserve_workspace(std::int64_t queries, std::int64_t gists, std::int64_t keys) {
  StepWorkspace& own = workspace_;
  queries = std::min(queries, kStepQueries);
  if (own.part_out.defined() && queries <= own.queries && gists <= own.gists && keys <= own.keys) {
    return;
  }
  if (queries > own.queries) own.queries = queries;
  if (gists > own.gists) own.gists = with_room(gists);
  if (keys > own.keys) own.keys = with_room(keys);
  own.words = (own.gists + 31) / 32;
  const core::DType wide = core::accumulator_of(dtype_);
  const auto make = [&](core::Shape shape, DType dtype) {
    return Tensor::empty(std::move(shape), dtype, device_);
  };
  own.scores = make({own.queries, shape_.heads, own.gists}, DType::float64);
  own.candidates = make({own.queries, shape_.heads, own.gists}, DType::int32);
  own.flags = make({own.queries, shape_.heads, std::max(1, levels_), own.words}, DType::int32);
  own.list = make({own.queries, shape_.kv_heads, own.keys}, DType::int32);
  own.listed = make({own.queries, shape_.kv_heads}, DType::int32);
  const std::int64_t parts = std::max(kStepParts, own.queries * shape_.kv_heads);
  own.part_out = make({parts, shape_.group(), shape_.width}, wide);
  own.part_sums = make({parts, shape_.group(), 2}, wide);
  own.tickets = Tensor::zeros({2, own.queries, shape_.heads}, DType::int32, device_);
  ++version_;
}

bool StepPlan::set(const AttentionPolicy& policy, std::span<const StepSequence> sequences,
                   std::span<const std::int32_t> token_ids) {
  // What queries read, before anything is changed.
  std::vector<StepQuery> queries;
  std::int64_t row = 0;
  std::int64_t gists = 0;
  std::int64_t keys = 0;
  const std::int64_t sparse_from = policy.sparse_from();
  for (std::size_t slot = 0; slot < sequences.size(); ++slot) {
    const StepSequence& sequence = sequences[slot];
    const SequenceTokens& tokens = *sequence.tokens;
    // A policy that wants to see queries of the prefix remembers them.
    if (policy.observe_from(sequence.facts) < sequence.prefix) return false;
    for (std::int64_t t = sequence.first; t < tokens.size(); ++t, ++row) {
      if (t < sequence.prefix) continue;
      StepQuery& query = queries.emplace_back();
      query.row = static_cast<std::int32_t>(row);
      query.slot = static_cast<std::int32_t>(slot);
      for (const bool sparse : {false, true}) {
        StepView& view = query.view[sparse ? 1 : 0];
        if (!policy.step_view(sequence.facts, tokens, t, sparse, view)) return false;
        if (view.start < 0) continue;
        for (int level = 0; level < levels_; ++level) {
          gists = std::max<std::int64_t>(gists, view.gists[level]);
        }
        keys = std::max(keys, tokens.size());
      }
    }
  }
  core::check(row == static_cast<std::int64_t>(token_ids.size()) && keys < (std::int64_t{1} << 28),
              "step_plan", "{} tokens in {} rows", token_ids.size(), row);

  rows_ = row;
  queries_ = static_cast<std::int64_t>(queries.size());
  selects_ = gists > 0;
  if (sparse_from != sparse_from_) ++version_;
  sparse_from_ = sparse_from;
  const auto slots = static_cast<std::int64_t>(sequences.size());
  reserve(rows_, queries_, slots);
  reserve_workspace(queries_, gists, keys);
  fixed_.assign(sequences.size(), {});
  const std::int64_t dense = std::min(layers_, sparse_from_);
  for (const StepQuery& query : queries) {
    Fixed& fixed = fixed_[static_cast<std::size_t>(query.slot)];
    fixed.keys +=
        shape_.kv_heads * (dense * query.view[0].keys + (layers_ - dense) * query.view[1].keys);
    fixed.units += shape_.kv_heads * layers_;
  }

  const auto put = [&](std::int64_t word, const auto& value) {
    std::memcpy(host_.data() + word, &value, sizeof(value));
  };
  if (!queries.empty()) {
    std::memcpy(host_.data() + queries_at_, queries.data(), queries.size() * sizeof(StepQuery));
  }
  std::memcpy(host_.data() + ids_at_, token_ids.data(), token_ids.size() * sizeof(std::int32_t));
  row = 0;
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const StepSequence& sequence = sequences[static_cast<std::size_t>(slot)];
    const SequenceTokens& tokens = *sequence.tokens;
    for (std::int64_t t = sequence.first; t < tokens.size(); ++t, ++row) {
      const int section = section_of(tokens.level(t));
      put(tokens_at_ + row * (static_cast<std::int64_t>(sizeof(StepToken)) / kWord),
          StepToken{static_cast<std::int32_t>(slot), section, tokens.before(section, t),
                    tokens.rope(t)});
    }
    if (selects_) {
      sequence.children->update(tokens, device_);
      put(children_at_ + slot * (static_cast<std::int64_t>(sizeof(StepChildren)) / kWord),
          sequence.children->get());
    }
    for (std::int64_t layer = 0; layer < layers_; ++layer) {
      CachedTokens room;
      room.tokens = sequence.tokens;
      room.store = &sequence.stores[static_cast<std::size_t>(layer)];
      room.store->move_to(device_);
      room.first = sequence.first;
      make_room(room);
      for (int section = 0; section < room.store->sections(); ++section) {
        StepSection place;
        const Tensor& stored = room.store->keys(section);
        if (stored.defined()) {
          place = {stored.raw(), room.store->values(section).raw(), stored.dim(1) * stored.dim(2)};
        }
        put(sections_at_ + ((layer * slots_room_ + slot) * kStepSections + section) *
                               (static_cast<std::int64_t>(sizeof(StepSection)) / kWord),
            place);
      }
    }
  }
  core::copy_bytes(device_, buffer_.raw(), core::Device{}, host_.data(),
                   host_.size() * sizeof(std::int32_t));
  return true;
}

std::vector<StepPlan::Reads> StepPlan::take_reads() {
  if (!reads_.defined()) return {};
  const std::vector<std::int64_t> counts = reads_.to_vector<std::int64_t>();
  core::kernels::fill(reads_, 0);
  std::vector<Reads> reads;
  for (std::size_t i = 0; i < counts.size(); i += 2) reads.push_back({counts[i], counts[i + 1]});
  return reads;
}

}  // namespace unfold::gsa
