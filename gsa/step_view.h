// What a query reads of cached keys, told without knowing its scores: so that a device can select
// and attend by itself. Plain numbers, which kernels read as they are.
#pragma once

#include <cstdint>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/key_store.h"

namespace unfold::gsa {

inline constexpr int kStepSections = kMaxLevels + 1;
inline constexpr int kStepSpans = 2 * kStepSections + 1;

// Keys [begin, end) of a section, with `before` keys in front of them in the query's list.
struct StepSpan {
  std::int32_t section = 0;
  std::int32_t begin = 0;
  std::int32_t end = 0;
  std::int32_t before = 0;
};

// The keys of a query: `spans`, and what every head of a key/value head picks (METHOD.md section
// 7), united: the raw tokens of picked chunks and, with picked_gists, the picked gists of every
// level.
struct StepView {
  std::int32_t spans = 0;
  std::int32_t keys = 0;  // of all spans
  StepSpan span[kStepSpans];

  std::int32_t start = -1;  // level whose gists are all candidates; -1: nothing is picked
  std::int32_t picked_gists = 0;
  // Raw tokens outside are in the spans already, all of them; so of picked chunks only those inside
  // are added.
  std::int32_t raw_begin = 0;
  std::int32_t raw_end = 0;
  std::int32_t gists[kMaxLevels] = {};  // there are, by level
  std::int32_t picks[kMaxLevels] = {};  // a head takes at most, by level
};

// Makes spans, in any order, those of the view. False when they are too many.
bool set_spans(std::vector<CacheSpan> spans, StepView& view);

}  // namespace unfold::gsa
