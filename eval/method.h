// Attention methods an evaluation compares, and scoring under one of them.
//
//   full   plain attention over the raw tokens: there are no gists
//   gist   gists in the compressible part, attention as METHOD.md section 5
//
// A new method is a line in method.cpp's table and a branch where it attends differently: tasks and
// the runner only pass a Method on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "gsa/gist_config.h"
#include "models/decoder.h"

namespace unfold::eval {

struct Method {
  std::string name;
  bool gists = false;  // rows and prompts carry gists
  gsa::Visibility visibility = gsa::Visibility::full;

  // Nominal compression ratio: rho with gists, else 1.
  double ratio(const gsa::GistConfig& gist) const {
    return gists ? static_cast<double>(gist.ratio()) : 1.0;
  }
};

// In the order they are listed.
std::vector<std::string> method_names();
// Throws core::UserError that lists the names.
Method method_from_name(std::string_view name);

struct MethodScores {
  std::vector<float> loss;          // (rows * length) nats; 0 where there is no target
  std::vector<data::TokenId> best;  // (rows * length) likeliest token where there is a target, else
                                    // -1; empty unless asked for
  std::int64_t keys_read = 0;       // over the counted queries
  std::int64_t queries = 0;         // counted ones, padding left out
};

// Scores rows that are prepared for the method. first_query (rows): the queries of a row count
// for `keys_read` from this position on; empty: all of them.
MethodScores score(models::Decoder& decoder, const Method& method, const gsa::GistConfig& gist,
                   const data::Batch& batch, std::span<const std::int64_t> first_query = {},
                   bool want_best = false);

// Positions a batch may hold, so that memory stays bounded whatever the number of rows. A single
// longer row is a batch of its own.
inline constexpr std::int64_t kBatchPositions = 8192;

}  // namespace unfold::eval
