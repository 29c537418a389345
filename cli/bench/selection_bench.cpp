#include "cli/bench/selection_bench.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <span>

#include "cli/bench/timing.h"
#include "core/error.h"
#include "core/random.h"
#include "core/text_format.h"
#include "gsa/cached_attention.h"
#include "gsa/insertion.h"

namespace unfold::cli::bench {
namespace {

using core::Tensor;

const gsa::AttentionShape kShape = {.heads = 4, .kv_heads = 2, .width = 16};
constexpr core::DType kType = core::DType::bfloat16;

void check(const SelectionBenchOptions& options) {
  core::require(!options.contexts.empty(), "bench", "--contexts is empty: give some lengths");
  for (const std::int64_t context : options.contexts) {
    core::require(context >= 1 && context <= kLongestContext, "bench",
                  "--contexts {}: choose 1 to {} tokens", context, kLongestContext);
  }
  core::require(!options.chunks.empty(), "bench",
                "--chunks is empty: give the tokens a chunk, then the gists a higher gist");
  core::require(options.budget >= 1 && options.budget <= kLongestContext, "bench",
                "--budget {}: choose 1 to {} gists", options.budget, kLongestContext);
  core::require(options.steps >= 1, "bench", "{} decode steps: choose 1 or more", options.steps);
}

void fill_randomly(const Tensor& tensor, core::Random& random) {
  auto* values = tensor.data<core::bfloat16>();
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    values[i] = core::bfloat16(static_cast<float>(random.normal()));
  }
}

// A sequence that ends with its context, and the cache of one layer.
class Context {
 public:
  Context(std::int64_t raw, const gsa::GistConfig& gist)
      : tokens_(gist.levels()), store_(kShape, gist.levels(), kType, {}) {
    for (const gsa::Element& element : gsa::insert_gists(raw, {}, gist)) {
      tokens_.append(element.level);
    }
    core::Random random(1, 0);
    for (int section = 0; section < tokens_.sections(); ++section) {
      store_.extend(section, tokens_.before(section, tokens_.size()));
      // Raw keys and all values cost the same whatever they hold, and decide nothing.
      zero(store_.values(section));
      if (section == 0) {
        zero(store_.keys(section));
      } else {
        fill_randomly(store_.keys(section), random);
      }
    }
    facts_ = {tokens_.size(), tokens_.size()};
  }

  const gsa::SequenceTokens& tokens() const { return tokens_; }

  struct Step {
    gsa::ReadCount reads;
    std::int64_t most_scored = 0;  // of a key/value head
    double seconds = 0;
  };
  // Appends one raw token, which attends under the policy.
  Step decode(const gsa::AttentionPolicy& policy, const Tensor& qkv) {
    std::vector<std::unique_ptr<gsa::HeadPolicy>> heads;
    for (std::int64_t head = 0; head < kShape.kv_heads; ++head) {
      heads.push_back(policy.head(facts_, 0, head));
    }
    tokens_.append(-1);
    Step step;
    const gsa::SelectionObserver observer = [&](std::int64_t, std::int64_t,
                                                const gsa::SelectionTrace& trace,
                                                const std::vector<gsa::CacheSpan>&) {
      step.most_scored = std::max(step.most_scored, trace.scored);
    };
    gsa::CachedTokens call;
    call.tokens = &tokens_;
    call.store = &store_;
    call.heads = heads;
    call.first = tokens_.size() - 1;
    call.prefix = facts_.context;
    call.observe_from = facts_.prompt;
    call.observer = &observer;
    step.seconds =
        seconds_of([&] { gsa::cached_attention(qkv, kShape, nullptr, std::span(&call, 1)); });
    step.reads = call.count;
    return step;
  }

 private:
  static void zero(const Tensor& tensor) {
    std::fill_n(tensor.data<core::bfloat16>(), tensor.size(), core::bfloat16(0.0F));
  }

  gsa::SequenceTokens tokens_;
  gsa::KeyStore store_;
  gsa::SequenceFacts facts_;
};

SelectionCost measure(std::int64_t raw, const gsa::GistConfig& gist,
                      const SelectionBenchOptions& options) {
  Context context(raw, gist);
  SelectionCost cost;
  cost.context = raw;
  cost.budget = options.budget;
  for (int level = 0; level < gist.levels(); ++level) {
    cost.gists.push_back(static_cast<std::int64_t>(context.tokens().gists(level).gist.size()));
  }
  cost.bound = cost.gists.back();
  for (std::size_t level = 1; level < gist.chunks.size(); ++level) {
    cost.bound += options.budget * gist.chunks[level];
  }
  gsa::PolicyConfig config;
  config.first_layer = 0;
  config.selection.budget = gsa::Budget::fixed;
  config.selection.chunks = options.budget;
  config.kind = gsa::PolicyKind::h_gsa;
  const auto descent = gsa::make_policy(config, gist, kShape);
  config.kind = gsa::PolicyKind::gsa;
  const auto flat = gsa::make_policy(config, gist, kShape);

  const auto group = static_cast<double>(kShape.group());
  const Tensor qkv = Tensor::empty({1, kShape.qkv_width()}, kType, {});
  core::Random random(2, 0);
  cost.seconds = cost.flat_seconds = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < options.steps; ++i) {
    fill_randomly(qkv, random);
    const Context::Step descended = context.decode(*descent, qkv);
    const Context::Step scanned = context.decode(*flat, qkv);
    cost.scored = std::max(cost.scored, static_cast<double>(descended.most_scored) / group);
    cost.flat = std::max(cost.flat, static_cast<double>(scanned.most_scored) / group);
    cost.keys = std::max(cost.keys, descended.reads.keys_per_query());
    cost.seconds = std::min(cost.seconds, descended.seconds);
    cost.flat_seconds = std::min(cost.flat_seconds, scanned.seconds);
  }
  return cost;
}

}  // namespace

std::vector<SelectionCost> measure_selection(const SelectionBenchOptions& options) {
  check(options);
  gsa::GistConfig gist;
  gist.chunks = options.chunks;
  gist.rule = gsa::InsertionRule::count;
  gsa::validate(gist);
  std::vector<SelectionCost> costs;
  for (const std::int64_t context : options.contexts) {
    costs.push_back(measure(context, gist, options));
  }
  return costs;
}

Section selection_section(const SelectionBenchOptions& options,
                          const std::vector<SelectionCost>& costs) {
  Section section;
  section.key = "selection";
  section.title = fmt::format(
      "gists scored by a query head in a decode step, chunks {}, at most {} picks a level",
      core::join(options.chunks, ","), options.budget);
  section.columns = {{"context", "context"}};
  for (std::size_t level = 0; level < options.chunks.size(); ++level) {
    section.columns.push_back({fmt::format("gists_{}", level), fmt::format("gists {}", level)});
  }
  for (const Column& column : std::vector<Column>{{"k", "k"},
                                                  {"scores", "scores", 1},
                                                  {"bound", "bound"},
                                                  {"flat", "flat"},
                                                  {"keys", "keys read", 1},
                                                  {"us", "us/step", 1},
                                                  {"flat_us", "flat us", 1}}) {
    section.columns.push_back(column);
  }
  bool within = true;
  for (const SelectionCost& cost : costs) {
    within = within && cost.within_bound();
    std::vector<Cell> row = {static_cast<double>(cost.context)};
    for (const std::int64_t gists : cost.gists) row.push_back(static_cast<double>(gists));
    row.insert(row.end(),
               {static_cast<double>(cost.budget), cost.scored, static_cast<double>(cost.bound),
                cost.flat, cost.keys, cost.seconds * 1e6, cost.flat_seconds * 1e6});
    section.rows.push_back(std::move(row));
  }
  section.notes = {
      "bound: gists of the top level + k times the gists a higher gist covers, a level",
      fmt::format("within bound: {}", within ? "yes" : "no")};
  return section;
}

}  // namespace unfold::cli::bench
