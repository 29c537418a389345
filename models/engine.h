// The inference engine: prefill and decoding of many sequences at once, under an attention policy.
//
// Each sequence has its own cache a layer (gsa/key_store.h): gist keys contiguous by level, raw
// keys by chunk. Sequences of different lengths share every forward pass; they never see each
// other. Decoding token by token gives the logits of one forward over the whole sequence, since a
// token is attended for in the same way however many come with it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/tensor.h"
#include "gsa/cached_attention.h"
#include "gsa/gist_config.h"
#include "gsa/policies/policy.h"
#include "gsa/step_plan.h"
#include "models/decode_step.h"
#include "models/decoder.h"
#include "models/document_cache.h"
#include "models/prompt.h"
#include "models/streaming_insertion.h"

namespace unfold::models {

// Told of every query that was selected for: layer by layer, in order.
struct SelectedQuery {
  std::int64_t sequence = 0;
  std::int64_t layer = 0;
  std::int64_t kv_head = 0;
  std::int64_t position = 0;  // in the sequence, gists counted
};
using EngineObserver =
    std::function<void(const SelectedQuery& query, const gsa::SelectionTrace& trace,
                       const std::vector<gsa::CacheSpan>& spans)>;

// Where an engine chooses keys, and how it runs a token. All ways give the same logits, but for
// the order of sums; a method that no plan can tell (gsa::AttentionPolicy::step_view) always takes
// the first.
enum class EnginePath {
  automatic,  // host on a CPU, graph on a GPU; the environment variable UNFOLD_DECODE=host, device
              // or graph says otherwise
  host,       // the policy is asked on the host, query by query
  device,     // attention by a plan: no layer waits for the host
  graph,      // the same, and up to kFewRows tokens at once take the short way of
              // models/decode_step.h, on a GPU as a CUDA graph
};

struct EngineOptions {
  // Streaming insertion (METHOD.md section 9): generated text is chunked too. Ignored by methods
  // that read no gists.
  bool streaming = false;
  // Whether a token starts a word, (vocab_size), for streaming insertion by InsertionRule::word;
  // empty: every token does.
  std::vector<std::uint8_t> starts_word = {};
  // Longest sequence, prompt and what is fed behind it (streamed gists aside): a bound on memory.
  std::int64_t max_tokens = std::int64_t{1} << 24;
  // Passes with a query that it is told of take EnginePath::host.
  EngineObserver observer = {};
  std::int64_t observe_from = 0;  // it is told of queries from this position of a sequence on
  EnginePath path = EnginePath::automatic;
};

class Engine {
 public:
  // The decoder must outlive the engine. Throws core::UserError as gsa::make_policy does, and when
  // the gists have not the decoder's number of levels.
  Engine(Decoder& decoder, const gsa::GistConfig& gist, const gsa::PolicyConfig& policy,
         EngineOptions options = {});
  ~Engine();

  // Starts sequences. Returns the number of the first; the others follow.
  // logits (prompts, vocab_size): behind the last token of each prompt.
  // Throws core::InternalError for an empty prompt, tokens that are not the model's, gists under a
  // method that reads none; core::UserError for a prompt longer than max_tokens.
  // A prompt with links (Prompt::part) is taken as below: its documents are computed apart.
  struct Started {
    std::int64_t first = 0;
    core::Tensor logits;
  };
  Started prefill(std::span<const Prompt> prompts);

  // Raw tokens that go on with a sequence; at least one.
  struct Continuation {
    std::int64_t sequence = 0;
    std::vector<std::int32_t> tokens;
  };
  // Feeds all at once. Returns logits (all tokens, vocab_size), behind every token, in order. With
  // streaming, gists are fed in front of the tokens they come before; no logits are given for them.
  core::Tensor extend(std::span<const Continuation> continuations);

  // Sequences with links (METHOD.md section 8, gsa/links.h), in this order: start_linked, then for
  // every document append_document and append_links, then extend for the suffix and what follows.
  // For methods that read gists, and models with link tokens (gist.links).
  //
  // A new sequence with a system prompt, which may be empty. Returns its number.
  std::int64_t start_linked(std::span<const std::int32_t> system);
  // Puts a document's stored keys behind the sequence, rotated to where it stands; computes
  // nothing.
  void append_document(std::int64_t sequence, const CachedDocument& document);
  // Feeds the model's link tokens.
  void append_links(std::int64_t sequence);

  // Forgets a sequence and its cache.
  void release(std::int64_t sequence);

  // Tokens of a sequence, streamed gists included.
  const gsa::SequenceTokens& tokens(std::int64_t sequence) const;
  // Keys read by the queries of prompts that were selected for, and by those behind prompts.
  const gsa::ReadCount& prefill_reads() const { return prefill_reads_; }
  // Waits for the device.
  const gsa::ReadCount& decode_reads() const;
  // The part of one sequence, before it is released. Waits for the device.
  const gsa::ReadCount& decode_reads(std::int64_t sequence) const;
  // Bytes of all caches.
  std::size_t cache_bytes() const;

 private:
  struct Sequence;
  struct Feed;
  class Attention;
  Sequence& sequence(std::int64_t number) const;
  Sequence& start(const gsa::SequenceFacts& facts);
  // Starts a prompt with links; what is left to be fed is its last part.
  Feed start_prompt(const Prompt& prompt);
  // The tokens put behind the sequence, to be fed.
  Feed append(Sequence& sequence, std::span<const std::int32_t> tokens, gsa::TokenRole role);
  void feed_anchors(Sequence& sequence, std::span<const std::int32_t> tokens, gsa::TokenRole role);
  void check_prompt(const Prompt& prompt) const;
  void check_length(const Sequence& sequence, std::int64_t more) const;
  void check_continuations(std::span<const Continuation> continuations) const;
  // Gists that streaming insertion puts in front of the next token.
  std::vector<std::int8_t> gists_before(Sequence& sequence, std::int32_t token) const;
  // Runs new tokens of several sequences, each of which has received their levels; returns the
  // hidden states of the rows asked for.
  core::Tensor forward(std::span<const Feed> feeds, const std::vector<std::int32_t>& wanted_rows,
                       gsa::ReadCount& reads);

  // Over which queries below AttentionPolicy::prefix() attend: in layers from sparse_from() on, and
  // in those before. Neither without such a query; one for all layers where that is right.
  struct PrefixMaps {
    std::optional<gsa::BlockMap> dense, sparse;
    const gsa::BlockMap* at(std::int64_t layer, std::int64_t sparse_from) const {
      if (sparse && layer >= sparse_from) return &*sparse;
      return dense ? &*dense : nullptr;
    }
  };
  PrefixMaps prefix_maps(std::span<const Feed> feeds) const;
  // Whether a query of the feeds stands below its sequence's prefix.
  bool below_prefix(std::span<const Feed> feeds) const;
  // Whether the observer is to be told of a query of the feeds.
  bool observed(std::span<const Feed> feeds) const;
  // Plans a pass over feeds; false when the method has to be asked on the host.
  bool make_plan(gsa::StepPlan& plan, std::span<const Feed> feeds) const;
  // Logits of few rows by the short way; undefined where it is not to be taken.
  core::Tensor few_logits(std::span<const Feed> feeds,
                          const std::vector<std::int32_t>& wanted_rows);
  std::unique_ptr<gsa::StepPlan> new_plan() const;
  // RoPE positions of the feeds are below it.
  static std::int64_t positions_of(std::span<const Feed> feeds);
  // Adds what the host knows of a pass of decoding.
  void count_fixed(const gsa::StepPlan& plan, std::span<const Feed> feeds);
  // Adds what kernels have counted since they were asked: when decode_reads() is asked, and before
  // the slots of the kept plan become other sequences.
  void collect_reads() const;
  void keep_slots(std::span<const Feed> feeds);

  Decoder& decoder_;
  gsa::GistConfig gist_;
  std::unique_ptr<gsa::AttentionPolicy> policy_;
  EngineOptions options_;
  std::map<std::int64_t, std::unique_ptr<Sequence>> sequences_;
  std::int64_t next_ = 0;
  gsa::ReadCount prefill_reads_;
  mutable gsa::ReadCount decode_reads_;  // without what plan_ has counted since it was asked
  std::vector<std::int64_t> slots_;      // of plan_: numbers of sequences
  mutable std::unique_ptr<gsa::StepPlan> plan_;  // of decoding, kept from token to token
  std::unique_ptr<DecodeStep> step_;
};

}  // namespace unfold::models
