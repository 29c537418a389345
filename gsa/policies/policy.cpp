#include "gsa/policies/policy.h"

#include <array>

#include "core/error.h"
#include "gsa/policies/context_budget.h"
#include "gsa/policies/h2o.h"
#include "gsa/policies/quest.h"
#include "gsa/policies/section5.h"
#include "gsa/policies/selecting.h"
#include "gsa/policies/snapkv.h"
#include "gsa/policies/streaming.h"

namespace unfold::gsa {
namespace {

struct Entry {
  PolicyKind kind;
  const char* name;
  bool gists;
  std::int64_t first_layer;  // that leaves out keys, unless told
};

constexpr std::array<Entry, 10> kPolicies = {{
    {PolicyKind::full, "full", false, 0},
    {PolicyKind::gist_only, "gist_only", true, 0},
    {PolicyKind::gsa, "gsa", true, 1},
    {PolicyKind::h_gsa, "h_gsa", true, 1},
    {PolicyKind::mean_pool, "mean_pool", true, 1},
    {PolicyKind::random, "random", true, 1},
    {PolicyKind::streaming, "streaming", false, 0},
    {PolicyKind::snapkv, "snapkv", false, 0},
    {PolicyKind::h2o, "h2o", false, 0},
    {PolicyKind::quest, "quest", false, 2},
}};

const Entry& entry_of(PolicyKind kind) {
  for (const Entry& entry : kPolicies) {
    if (entry.kind == kind) return entry;
  }
  throw core::InternalError("policy", "a kind without an entry");
}

Pivot pivot_of(PolicyKind kind) {
  if (kind == PolicyKind::mean_pool) return Pivot::mean_pool;
  return kind == PolicyKind::random ? Pivot::random : Pivot::gist;
}

SelectionConfig complete(const PolicyConfig& config, const GistConfig& gist) {
  SelectionConfig selection = config.selection;
  selection.pivot = pivot_of(config.kind);
  selection.chunk = gist.levels() > 0 ? gist.chunks[0] : 1;
  selection.rho = gist.ratio();
  if (config.ratio > 0) {
    selection.budget = Budget::ratio;
    selection.ratio = config.ratio;
  }
  return selection;
}

void check(const PolicyConfig& config, const GistConfig& gist) {
  const Entry& entry = entry_of(config.kind);
  core::require(!entry.gists || gist.levels() > 0, "attention",
                "method {} needs gist tokens, but the model has none (gist.chunks is []): use "
                "method full",
                entry.name);
  core::require(config.ratio == 0 || config.ratio >= 1, "attention",
                "a compression ratio of {}: choose 1 or more", config.ratio);
  core::require(config.first_layer >= -1, "attention",
                "first sparse layer {}: choose 0 or more, or -1 for the method's own",
                config.first_layer);
  core::require(config.observation_window >= 1, "attention",
                "an observation window of {} queries: choose 1 or more", config.observation_window);
  core::require(config.pooling >= 1 && config.pooling % 2 == 1, "attention",
                "pooling over {} keys: choose an odd number", config.pooling);
}

}  // namespace

std::unique_ptr<AttentionPolicy> make_policy(const PolicyConfig& config, const GistConfig& gist,
                                             const AttentionShape& shape) {
  validate(gist);
  check(config, gist);
  const std::int64_t first_layer = first_sparse_layer(config);
  const ContextBudget budget(complete(config, gist), gist, shape);
  switch (config.kind) {
    case PolicyKind::full:
      return make_full_policy();
    case PolicyKind::gist_only:
      return make_gist_only_policy(gist);
    case PolicyKind::gsa:
    case PolicyKind::h_gsa:
    case PolicyKind::mean_pool:
    case PolicyKind::random:
      return make_selecting_policy(complete(config, gist), config.kind == PolicyKind::h_gsa,
                                   first_layer, gist, shape);
    case PolicyKind::streaming:
      return make_streaming_policy(budget, first_layer);
    case PolicyKind::snapkv:
      return make_snapkv_policy(budget, config.observation_window, config.pooling, first_layer);
    case PolicyKind::h2o:
      return make_h2o_policy(budget, first_layer);
    case PolicyKind::quest:
      return make_quest_policy(budget, first_layer, shape);
  }
  throw core::InternalError("policy", "a kind without a policy");
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kPolicies) names.emplace_back(entry.name);
  return names;
}

std::string name_of(PolicyKind kind) {
  return entry_of(kind).name;
}

std::optional<PolicyKind> policy_from_name(std::string_view name) {
  for (const Entry& entry : kPolicies) {
    if (entry.name == name) return entry.kind;
  }
  return std::nullopt;
}

bool reads_gists(PolicyKind kind) {
  return entry_of(kind).gists;
}

std::int64_t first_sparse_layer(const PolicyConfig& config) {
  return config.first_layer < 0 ? entry_of(config.kind).first_layer : config.first_layer;
}

double nominal_ratio(const PolicyConfig& config, const GistConfig& gist) {
  if (config.kind == PolicyKind::full) return 1.0;
  if (config.ratio > 0) return config.ratio;
  const SelectionConfig& selection = config.selection;
  return selection.budget == Budget::ratio ? selection.ratio : static_cast<double>(gist.ratio());
}

}  // namespace unfold::gsa
