// A forward pass over cached keys, laid out for a device: where the new keys go, which queries
// there are and what they read. Made once a pass from what the host knows, counts and positions;
// uploaded in one copy; the same for all layers. No layer then waits for the host: selection stays
// where the scores are (gsa/kernels/step.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/key_store.h"
#include "gsa/policies/policy.h"
#include "gsa/sequence_tokens.h"
#include "gsa/step_view.h"

namespace unfold::gsa {

// Where a new token's key goes. One a row of qkv.
struct StepToken {
  std::int32_t slot = 0;  // of its sequence
  std::int32_t section = 0;
  std::int32_t index = 0;  // in the section
  std::int32_t rope = 0;   // RoPE position
};

// A query that attends over cached keys: a row of qkv.
struct StepQuery {
  std::int32_t row = 0;
  std::int32_t slot = 0;
  StepView view[2];  // in layers below AttentionPolicy::sparse_from(), and in the others
};

// A section of a sequence's cache in a layer.
struct StepSection {
  void* keys = nullptr;
  void* values = nullptr;
  std::int64_t between = 0;  // elements from one key/value head to the next
};

// first_child of every level of a sequence (gsa/chunk_table.h).
struct StepChildren {
  const std::int32_t* first[kMaxLevels] = {};
};

// first_child of a growing sequence on a device.
class DeviceChildren {
 public:
  // Brings what has been added since the last call.
  void update(const SequenceTokens& tokens, core::Device device);
  StepChildren get() const;

 private:
  struct Level {
    std::int64_t size = 0;
    core::Tensor first;  // (capacity) int32
  };
  std::vector<Level> levels_;
};

// A sequence of a pass. Its new tokens are in `tokens` already; rows of qkv are the new tokens of
// all sequences in order.
struct StepSequence {
  const SequenceTokens* tokens = nullptr;
  SequenceFacts facts;
  std::span<KeyStore> stores;  // (layers); go to the plan's device, room for the new keys is made
  DeviceChildren* children = nullptr;
  std::int64_t first = 0;   // position of the first new token
  std::int64_t prefix = 0;  // positions below attend over a block map
};

// What kernels write while a pass runs. Queries are taken kStepQueries at a time.
inline constexpr std::int64_t kStepQueries = 16;
// Blocks that all queries of a launch share, and the most that share one query and key/value head.
inline constexpr std::int64_t kStepParts = 256;
inline constexpr std::int64_t kMostSplits = 64;

struct StepWorkspace {
  std::int64_t queries = 0, gists = 0, keys = 0, words = 0;  // extents of the tensors below
  core::Tensor scores;                                       // (queries, heads, gists) float64
  core::Tensor candidates;                                   // (queries, heads, gists) int32
  core::Tensor flags;      // (queries, heads, levels, words) int32, a bit a gist: picked
  core::Tensor list;       // (queries, kv_heads, keys) int32: section << 28 | index
  core::Tensor listed;     // (queries, kv_heads) int32: keys in the list
  core::Tensor part_out;   // (queries, kv_heads, splits, group, width), accumulator
  core::Tensor part_sums;  // (queries, kv_heads, splits, group, 2), accumulator: maximum, sum
  core::Tensor tickets;    // (2, queries, heads) int32, zero between kernels
};

class StepPlan {
 public:
  StepPlan(const AttentionShape& shape, std::int64_t layers, int levels, core::DType dtype,
           core::Device device);

  // Plans a pass, uploads it, and makes room for the new keys. token_ids: of all rows. False when
  // the policy has to be asked query by query: nothing was done.
  // Buffers keep their places from pass to pass while they are large enough.
  bool set(const AttentionPolicy& policy, std::span<const StepSequence> sequences,
           std::span<const std::int32_t> token_ids);

  const AttentionShape& shape() const { return shape_; }
  int levels() const { return levels_; }
  std::int64_t rows() const { return rows_; }        // of qkv
  std::int64_t queries() const { return queries_; }  // of them over cached keys
  // Which of a query's views holds in a layer.
  int view_of(std::int64_t layer) const { return layer < sparse_from_ ? 0 : 1; }
  bool selects_any() const { return selects_; }
  // Whether any query picks in a layer.
  bool selects(std::int64_t layer) const { return selects_ && view_of(layer) == 1; }
  // Blocks that share the keys of a query and key/value head.
  std::int64_t splits() const;

  // On the device of the plan.
  const StepToken* tokens() const { return at<StepToken>(tokens_at_); }
  const StepQuery* query(std::int64_t i) const { return at<StepQuery>(queries_at_) + i; }
  const StepChildren* children() const { return at<StepChildren>(children_at_); }
  // (slots, kStepSections) of a layer.
  const StepSection* sections(std::int64_t layer) const {
    return at<StepSection>(sections_at_) + layer * slots_room_ * kStepSections;
  }
  core::Tensor token_ids() const;  // (rows) int32
  const StepWorkspace& workspace() const { return workspace_; }
  // int64 (slots, 2): keys of lists, gists scored; kernels add to it.
  const core::Tensor& reads() const { return reads_; }

  // Counts of the pass that the host knows, a slot: a unit is a (query, layer, key/value head).
  struct Fixed {
    std::int64_t keys = 0;
    std::int64_t units = 0;
  };
  std::span<const Fixed> fixed() const { return fixed_; }
  // What kernels counted since the last call, a slot. Waits for them. To be called before a pass
  // whose slots are other sequences: a slot that is new may begin with nothing counted.
  struct Reads {
    std::int64_t keys = 0;
    std::int64_t scored = 0;
  };
  std::vector<Reads> take_reads();

  // Changes whenever a kernel of the pass before could not run this one: sizes or places of buffers
  // differ.
  std::int64_t version() const { return version_; }

 private:
  template <typename T>
  const T* at(std::int64_t word) const {
    return reinterpret_cast<const T*>(buffer_.data<std::int32_t>() + word);
  }
  void reserve(std::int64_t rows, std::int64_t queries, std::int64_t slots);
  void reserve_workspace(std::int64_t queries, std::int64_t gists, std::int64_t keys);

  AttentionShape shape_;
  std::int64_t layers_;
  int levels_;
  core::DType dtype_;
  core::Device device_;
  std::int64_t sparse_from_ = 0;
  std::int64_t rows_ = 0, queries_ = 0;
  bool selects_ = false;
  std::int64_t rows_room_ = 0, queries_room_ = 0, slots_room_ = 0;
  std::int64_t queries_at_ = 0, children_at_ = 0, sections_at_ = 0, tokens_at_ = 0, ids_at_ = 0;
  std::vector<std::int32_t> host_;
  core::Tensor buffer_;  // int32
  core::Tensor reads_;
  StepWorkspace workspace_;
  std::vector<Fixed> fixed_;
  std::int64_t version_ = 0;
};

}  // namespace unfold::gsa
