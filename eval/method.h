// Attention methods an evaluation compares (gsa/policies/policy.h describes them), and scoring of
// whole rows under those that are a mask:
//
//   full       plain attention over the raw tokens: there are no gists
//   gist_only  gists in the compressible part, attention as METHOD.md section 5
//
// The others choose keys query by query: they are measured by generating (models/engine.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "gsa/gist_config.h"
#include "gsa/policies/policy.h"
#include "models/decoder.h"

namespace unfold::eval {

struct Method {
  std::string name;
  bool gists = false;  // rows and prompts carry gists
  gsa::PolicyConfig policy;
  // How it sees whole rows; nothing for a method that is no mask.
  std::optional<gsa::Visibility> visibility;

  // Nominal compression ratio: policy.ratio, or rho; 1 for full attention.
  double ratio(const gsa::GistConfig& gist) const { return gsa::nominal_ratio(policy, gist); }
};

// In the order they are listed.
std::vector<std::string> method_names();
// ratio: attended share of the context as 1 / ratio, for methods that choose; 0: rho of the gists.
// selection: how gists are selected, and the budget of the others that choose; ratio overrides its
// budget.
// Throws core::UserError that lists the names.
Method method_from_name(std::string_view name, double ratio = 0,
                        const gsa::SelectionConfig& selection = {});

struct MethodScores {
  std::vector<float> loss;     // (rows * length) nats; 0 where there is no target
  std::int64_t keys_read = 0;  // over the counted queries
  std::int64_t queries = 0;    // counted ones, padding left out
};

// Scores rows that are prepared for the method, which must be a mask. first_query (rows): the
// queries of a row count for `keys_read` from this position on; empty: all of them.
MethodScores score(models::Decoder& decoder, const Method& method, const gsa::GistConfig& gist,
                   const data::Batch& batch, std::span<const std::int64_t> first_query = {});

// Positions a batch may hold, so that memory stays bounded whatever the number of rows. A single
// longer row is a batch of its own.
inline constexpr std::int64_t kBatchPositions = 8192;

}  // namespace unfold::eval
