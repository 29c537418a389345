// Filling a context up to a number of tokens, and hiding things in it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/counter_random.h"
#include "eval/probes/probe.h"

namespace unfold::eval::probes {

// The greatest n <= most with tokens_of(n) <= limit; -1 when even 0 items are too many. Items are
// about equally long and have at least one token. Few calls: n is interpolated.
std::int64_t largest_fitting(std::int64_t limit, std::int64_t most,
                             const std::function<std::int64_t(std::int64_t)>& tokens_of);

// Appends short sentences while tokens_of them stays within the limit. They say nothing: no digits,
// no names. tokens_of(text): tokens of the whole with the sentences behind it; each has a space in
// front.
std::string closing_sentences(std::int64_t limit, const TokenCounter& count,
                              const std::function<std::int64_t(const std::string&)>& tokens_of);

// A sentence to be hidden, and the share of the filler text in front of it. Those of one depth
// keep their order.
struct Needle {
  std::string text;
  double depth = 0;
};

// Filler text in paragraphs, with the needles between its sentences, such that `opening` and the
// text have `tokens` tokens, or a few less. Filler is plain narrative without digits.
// Throws core::UserError when the needles alone do not fit.
std::string fill_haystack(std::string_view opening, std::vector<Needle> needles,
                          std::int64_t tokens, const TokenCounter& count,
                          data::CounterRandom random);

}  // namespace unfold::eval::probes
