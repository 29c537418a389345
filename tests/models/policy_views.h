// The compared attention methods by their definitions, for tests: which keys a query of a sequence
// sees, worked out from all projections of the layer, pair by pair in float64.
#pragma once

#include <cstdint>
#include <vector>

#include "gsa/policies/policy.h"
#include "tests/models/naive_decoder.h"

namespace unfold::models {

struct PolicyView {
  gsa::PolicyConfig config;
  gsa::GistConfig gist;
  gsa::AttentionShape shape;
  gsa::Layout layout;        // one row: the whole sequence
  std::int64_t context = 0;  // gsa::SequenceFacts
  std::int64_t prompt = 0;
};

// config.kind may be any but random, whose draw has no definition but itself.
NaiveView naive_view(const PolicyView& view);

}  // namespace unfold::models
