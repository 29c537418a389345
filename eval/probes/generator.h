// What the makers of probes share: their random streams, words and numbers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/counter_random.h"
#include "eval/probes/probe.h"

namespace unfold::eval::probes {

inline constexpr std::string_view kTag = "probe";

// A sample to be made.
struct Request {
  ProbeKind kind;
  const ProbeOptions& options;
  std::int64_t index;
  const TokenCounter& count;

  // The depth the sample visits.
  double depth() const;
  // Streams of different purposes never share numbers.
  enum class Stream : std::uint64_t { facts, filler };
  data::CounterRandom random(Stream stream, std::uint64_t part = 0) const;
};

template <typename List>
std::string_view pick(const List& list, data::CounterRandom& random) {
  return list[random.below(list.size())];
}

// Common nouns, none of which is a part of another one; lists of words are made of them.
inline constexpr std::size_t kNouns = 435;
const std::array<std::string_view, kNouns>& nouns();

// Different things with two words each, such as "amber falcon"; filler text has none of them.
// At most kMostThings.
inline constexpr std::size_t kMostThings = 32 * 32;
std::vector<std::string> draw_things(std::size_t count, data::CounterRandom& random);
// Different numbers of so many digits that do not begin with 0; the digits make room for many more
// than are drawn.
std::vector<std::string> draw_numbers(std::size_t count, int digits, data::CounterRandom& random);
// Different words of capital letters, five each.
std::vector<std::string> draw_variables(std::size_t count, data::CounterRandom& random);
// Different words of small letters, six each: consonants and vowels in turn.
std::vector<std::string> draw_codes(std::size_t count, data::CounterRandom& random);

// "a, b and c".
std::string enumerate(const std::vector<std::string>& items);

// One file a group of kinds.
ProbeSample make_passkey(const Request& request);
ProbeSample make_needle(const Request& request);  // needle, multikey, multivalue, multiquery
ProbeSample make_variable_tracking(const Request& request);
ProbeSample make_common_words(const Request& request);
ProbeSample make_frequent_words(const Request& request);
ProbeSample make_qa(const Request& request);  // qa_distractors, qa_two_hops

}  // namespace unfold::eval::probes
