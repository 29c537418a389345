#include "eval/probes/probe.h"

#include <array>
#include <utility>

#include "core/error.h"
#include "eval/probes/generator.h"

namespace unfold::eval {
namespace {

using Maker = ProbeSample (*)(const probes::Request&);

struct KindEntry {
  ProbeKind kind;
  std::string_view name;
  Maker make;
};

constexpr std::array<KindEntry, 10> kKinds = {{
    {ProbeKind::passkey, "passkey", probes::make_passkey},
    {ProbeKind::needle, "needle", probes::make_needle},
    {ProbeKind::multikey, "multikey", probes::make_needle},
    {ProbeKind::multivalue, "multivalue", probes::make_needle},
    {ProbeKind::multiquery, "multiquery", probes::make_needle},
    {ProbeKind::variable_tracking, "variable_tracking", probes::make_variable_tracking},
    {ProbeKind::common_words, "common_words", probes::make_common_words},
    {ProbeKind::frequent_words, "frequent_words", probes::make_frequent_words},
    {ProbeKind::qa_distractors, "qa_distractors", probes::make_qa},
    {ProbeKind::qa_two_hops, "qa_two_hops", probes::make_qa},
}};

const KindEntry& entry_of(ProbeKind kind) {
  for (const KindEntry& entry : kKinds) {
    if (entry.kind == kind) return entry;
  }
  core::fail(probes::kTag, "unknown kind {}", static_cast<int>(kind));
}

void require_at_least(std::int64_t value, std::int64_t least, std::string_view what) {
  core::require(value >= least, probes::kTag, "{} {}: ask for {} or more", value, what, least);
}

}  // namespace

std::string_view name_of(ProbeKind kind) {
  return entry_of(kind).name;
}

std::vector<ProbeKind> probe_kinds() {
  std::vector<ProbeKind> kinds;
  for (const KindEntry& entry : kKinds) kinds.push_back(entry.kind);
  return kinds;
}

std::string ProbeSample::context() const {
  std::string text = instruction;
  for (const std::string& segment : segments) text += segment;
  return text;
}

ProbeSample make_probe(ProbeKind kind, const ProbeOptions& options, std::int64_t index,
                       const TokenCounter& count) {
  core::check(index >= 0 && count != nullptr, probes::kTag, "sample {}", index);
  require_at_least(options.context_tokens, 1, "tokens of context");
  require_at_least(options.depths, 1, "depths");
  require_at_least(options.keys, 1, "keys");
  require_at_least(options.values, 1, "values");
  require_at_least(options.queries, 1, "queries");
  require_at_least(options.chains, 1, "chains");
  require_at_least(options.hops, 0, "hops");
  ProbeSample sample = entry_of(kind).make({kind, options, index, count});
  sample.tags["context"] = static_cast<double>(options.context_tokens);
  return sample;
}

}  // namespace unfold::eval
