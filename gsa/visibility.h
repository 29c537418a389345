// Visibility, defined once (METHOD.md section 5): the rule for a single pair, in integers a token.
// The dense reference, the tests and `unfold inspect visibility` use it; kernels use gsa/reach.h,
// which is proven equal to it.
#pragma once

#include <cstdint>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/layout.h"

namespace unfold::gsa {

// Per-token counts of one row, all counted inside the token's document.
struct VisibilityCounts {
  int levels = 0;
  std::int64_t length = 0;
  std::vector<std::int8_t> level;
  std::vector<std::int32_t> document;
  std::vector<std::int32_t> before;  // (levels, length) C_l(t): level-l gists at indices < t
  std::vector<std::int32_t> above;   // (levels, length) H_l(t): gists of level > l at indices <= t
  std::vector<std::uint8_t> sink;    // (length) among the first S tokens of the document
  std::vector<std::uint8_t> has_gist;  // (length) the document contains a gist
  // Of rows with links (gsa/links.h), else empty. A run is a stretch of one part of its document:
  // each retrieved document is one.
  std::vector<Part> part;
  std::vector<std::int32_t> run;       // (length) first position of the run
  std::vector<std::uint8_t> anchor;    // (length) seen by all links and the suffix behind it
  std::vector<std::uint8_t> run_sink;  // (length) among the first S tokens of the run
};

// Only config.sinks is read here. A sink is one of the first S tokens that are not padding, raw or
// gist: insertion puts no gist before the S-th raw token unless the whole segment is shorter.
VisibilityCounts count_row(const Layout& layout, std::int64_t row, const GistConfig& config);

// Whether query q sees key k, both positions in the row (METHOD.md section 5, (a)-(f); in prompts
// with links, section 8). Takes any pattern of levels, well nested or not. A padding query sees
// itself, and nobody else sees it. Links matter to Visibility::gist alone: under the others they
// are raw tokens like any.
// Throws core::InternalError for positions outside the row.
bool visible(const VisibilityCounts& counts, std::int64_t q, std::int64_t k,
             const GistConfig& config, Visibility visibility);

}  // namespace unfold::gsa
