// Random rows, tensors and settings for the tests of selection and unfolding.
#pragma once

#include <cmath>
#include <vector>

#include "core/random.h"
#include "gsa/unfolding.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {

struct UnfoldingCase {
  AttentionShape shape;
  Layout layout;
  GistConfig gist;
  SelectionConfig config;
  std::vector<std::int32_t> select_from;
  std::vector<double> qkv;

  UnfoldingContext context(std::int64_t query_tile = 64) const {
    return make_unfolding_context(layout, gist, config, select_from, query_tile);
  }
};

// Everything varies with the seed: groups of 1, 2, 4 and 7, budgets, pivots, the cap, annealing,
// what is unfolded, where documents select from. Keys are of a few values in half of the cases, so
// that scores tie, but for mean pivots, whose ties depend on rounding. links: rows of prompts with
// links.
inline UnfoldingCase make_unfolding_case(std::uint64_t seed, int levels, std::int64_t length,
                                         std::int64_t rows = 2, bool links = false) {
  constexpr AttentionShape kShapes[] = {{2, 2, 3}, {4, 2, 5}, {4, 1, 8}, {7, 1, 4}, {2, 1, 12}};
  const RandomLayoutOptions options{
      .rows = rows, .length = length, .levels = levels, .links = links};
  UnfoldingCase one;
  core::Random random(seed, 99);
  one.shape = kShapes[random.below(std::size(kShapes))];
  one.layout = random_layout(seed, options);
  one.gist = random_gist_config(seed, options);
  one.config.budget = static_cast<Budget>(random.below(4));
  one.config.chunks = 1 + random.below(4);
  one.config.ratio = 1 + 4 * random.uniform();
  one.config.top_p = 0.3 + 0.6 * random.uniform();
  one.config.quarter_cap = random.below(2) == 0;
  one.config.anneal = random.below(3) == 0 ? random.uniform() : 0;
  one.config.pivot = static_cast<Pivot>(random.below(4));
  one.config.unfold = static_cast<Unfold>(random.below(3));
  one.config.seed = seed;
  one.config.chunk = 1 + random.below(3);
  one.config.rho = one.config.chunk * (1 + random.below(3));
  if (random.below(3) == 0) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (const DocumentSpan& span : document_spans(one.layout, row)) {
        const auto size = static_cast<std::uint32_t>(span.end - span.begin + 1);
        const bool suffix = random.below(4) == 0 || span.linked;
        one.select_from.push_back(
            suffix ? -1 : span.begin + static_cast<std::int32_t>(random.below(size)));
      }
    }
  }
  const bool quantised = random.below(2) == 0 && one.config.pivot != Pivot::mean_pool;
  one.qkv.resize(static_cast<std::size_t>(one.layout.size() * one.shape.qkv_width()));
  for (double& value : one.qkv) {
    value = random.normal();
    if (quantised) value = std::round(value) / 2;
  }
  return one;
}

}  // namespace unfold::gsa
