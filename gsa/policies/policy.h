// Attention policies: which cached keys each query reads. One interface for all compared methods,
// used by prefill and decoding alike.
//
// A sequence is a prompt and what is generated behind it. The prompt begins with a compressible
// context; every method may leave out keys of the context, and queries behind it are what methods
// differ in. A policy says which first queries attend over a block map (prefix; cheap, all at
// once). Every other query is asked for one by one: the policy names the spans of keys it reads.
// Prefill and decoding go through the same calls, so their results are the same.
//
//   full       every earlier key
//   gist_only  METHOD.md section 5, no unfolding
//   gsa        METHOD.md section 7, best level-0 gists of all: no descent
//   h_gsa      METHOD.md section 7, descent over the levels
//   mean_pool  as gsa, chunks ranked by the mean of their raw keys
//   random     as gsa, chunks drawn at random: the control
//   streaming  StreamingLLM (Xiao et al. 2023), gsa/policies/streaming.h
//   snapkv     SnapKV (Li et al. 2024), gsa/policies/snapkv.h
//   h2o        H2O (Zhang et al. 2023), gsa/policies/h2o.h
//   quest      Quest (Tang et al. 2024), gsa/policies/quest.h
//
// The first six read rows with gists (but full), the last four raw rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gsa/attention_shape.h"
#include "gsa/gist_config.h"
#include "gsa/key_store.h"
#include "gsa/reach.h"
#include "gsa/selection.h"
#include "gsa/sequence_tokens.h"
#include "gsa/step_view.h"

namespace unfold::gsa {

enum class PolicyKind {
  full,
  gist_only,
  gsa,
  h_gsa,
  mean_pool,
  random,
  streaming,
  snapkv,
  h2o,
  quest,
};

struct PolicyConfig {
  PolicyKind kind = PolicyKind::full;
  // Attended share of the context, for all methods alike: 1 / ratio. 0: the rho of the gists.
  double ratio = 0;
  // First layer that leaves out keys; layers before it attend to the whole prefix view. -1: the
  // method's own: 1 for the selecting methods (gists carry nothing in layer 0), 2 for quest (as in
  // its paper), 0 else.
  std::int64_t first_layer = -1;
  // How the selecting methods select, and so the budget of all. Its ratio, chunk, rho and pivot are
  // filled in.
  SelectionConfig selection = {};
  std::int64_t observation_window = 16;  // snapkv: last prompt queries that vote
  std::int64_t pooling = 5;              // snapkv: width of the max-pooling over votes, odd
};

// What is fixed when a sequence starts.
struct SequenceFacts {
  std::int64_t context = 0;  // tokens of the compressible context: positions [0, context)
  std::int64_t prompt = 0;   // tokens of the prompt
};

// Reads cached keys as double.
class KeyReader {
 public:
  virtual ~KeyReader() = default;
  // scores[j - begin] = query . key j, for keys [begin, end) of a section; query (width).
  virtual void score(const CacheSpan& span, std::span<const double> query,
                     double* scores) const = 0;
  // The keys themselves: out (end - begin, width).
  virtual void read(const CacheSpan& span, double* out) const = 0;
};

// A query of all heads that share a key/value head.
struct PolicyQuery {
  std::int64_t position = 0;      // in the sequence
  std::span<const double> heads;  // (group, width), rotated
  const KeyReader& keys;          // of the layer and key/value head; up to this position at least
  const SequenceTokens& tokens;

  std::span<const double> head(std::int64_t h, std::int64_t width) const {
    return heads.subspan(static_cast<std::size_t>(h * width), static_cast<std::size_t>(width));
  }
};

// What a selection did, besides the spans.
struct SelectionTrace {
  std::int64_t scored = 0;  // pivots the query was scored against, a query head
  // Picked gists by level, ascending, united over the heads; empty when nothing was selected.
  std::vector<std::vector<std::int32_t>> picks;
};

// The policy's side of one sequence, layer and key/value head. Queries come in order of position,
// to it or to its twins.
class HeadPolicy {
 public:
  virtual ~HeadPolicy() = default;
  // One that gives the same answers, for another thread to ask; null where an answer depends on
  // the queries before.
  virtual std::unique_ptr<HeadPolicy> twin() const { return nullptr; }
  // Wants to know what the prompt's queries looked at, those from AttentionPolicy::observe_from on
  // that attended over the block map.
  virtual bool observes() const { return false; }
  // The full attention each raw key got from them, summed over queries and the group's heads; keys
  // behind the last are not in it. Comes once, before the first select().
  virtual void observe(std::span<const double> /*attention*/) {}
  // The keys the query reads, itself included, in any order.
  virtual void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
                      SelectionTrace& trace) = 0;
  // When it returns true, attended() follows each select(), with the normalised spans and the
  // attention each of their keys got, summed over the group's heads.
  virtual bool wants_weights() const { return false; }
  virtual void attended(const PolicyQuery& /*query*/, const std::vector<CacheSpan>& /*spans*/,
                        std::span<const double> /*weights*/) {}
};

class AttentionPolicy {
 public:
  virtual ~AttentionPolicy() = default;
  // Prompts carry gists, and text may be chunked while it is generated.
  virtual bool gists() const { return false; }
  // Queries at positions below this attend over the block map of prefix_visibility(); the rest is
  // selected for. At most facts.prompt.
  virtual std::int64_t prefix(const SequenceFacts& facts) const { return facts.context; }
  // In layers from sparse_from() on they may read less than that.
  virtual std::optional<KeyWindow> prefix_window(const SequenceFacts& /*facts*/) const {
    return std::nullopt;
  }
  Visibility prefix_visibility() const { return gists() ? Visibility::gist : Visibility::causal; }
  // What prefix queries from here on look at is shown to observe().
  virtual std::int64_t observe_from(const SequenceFacts& facts) const { return facts.prompt; }
  virtual std::unique_ptr<HeadPolicy> head(const SequenceFacts& facts, std::int64_t layer,
                                           std::int64_t kv_head) const = 0;
  // The same queries, told without their scores: what a query at a position reads in the layers
  // from sparse_from() on (sparse), and in those before. False when the policy has to be asked:
  // because it remembers what it saw, or reads more than a view holds.
  virtual bool step_view(const SequenceFacts& /*facts*/, const SequenceTokens& /*tokens*/,
                         std::int64_t /*position*/, bool /*sparse*/, StepView& /*view*/) const {
    return false;
  }
  virtual std::int64_t sparse_from() const { return 0; }
};

// gist: how the model's gists are placed; its chunk size is also the page size of quest.
// Throws core::UserError: a gist method without gist levels, a ratio below 1 (but 0), an even
// pooling width, an observation window below 1.
std::unique_ptr<AttentionPolicy> make_policy(const PolicyConfig& config, const GistConfig& gist,
                                             const AttentionShape& shape);

// "full", "gist_only", ...; in the order above.
std::vector<std::string> policy_names();
std::string name_of(PolicyKind kind);
std::optional<PolicyKind> policy_from_name(std::string_view name);
// Whether the method's prompts carry gists.
bool reads_gists(PolicyKind kind);
// config.first_layer, or the method's own.
std::int64_t first_sparse_layer(const PolicyConfig& config);
// config.ratio; or that of Budget::ratio; or rho. 1 for full.
double nominal_ratio(const PolicyConfig& config, const GistConfig& gist);

}  // namespace unfold::gsa
