// What the synthetic tasks share: their random stream, sizes, word lists and filler text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/counter_random.h"
#include "data/synthetic.h"

namespace unfold::data::synthetic {

inline constexpr std::string_view kTag = "synthetic";

// Invented names, keys of the recall task. No name begins with another one.
inline constexpr std::size_t kNames = 128;
const std::array<std::string_view, kNames>& names();
// Short common nouns, values of the recall task.
inline constexpr std::size_t kThings = 64;
const std::array<std::string_view, kThings>& things();
// Adjectives and animals, keys of the multikey task.
inline constexpr std::size_t kAdjectives = 32;
const std::array<std::string_view, kAdjectives>& adjectives();
inline constexpr std::size_t kAnimals = 32;
const std::array<std::string_view, kAnimals>& animals();

template <typename List>
std::string_view pick(const List& list, CounterRandom& random) {
  return list[random.below(list.size())];
}

// A sentence of plain narrative, with its full stop; holds no digits and none of the keys.
std::string filler_sentence(CounterRandom& random);

// A number of five digits that does not begin with 0.
std::string five_digits(CounterRandom& random);

// Size of a text in the unit of the options.
std::int64_t measure(const SyntheticOptions& options, std::string_view text);

// Sentences as paragraphs of six; the text ends with a line end. One separator a sentence.
std::string join_sentences(const std::vector<std::string>& sentences);

// Filler sentences that fit in `size`, measured with the space before them.
std::vector<std::string> filler(const SyntheticOptions& options, std::int64_t size,
                                CounterRandom& random);

// One file a task.
SyntheticDocument make_recall(const SyntheticOptions& options, CounterRandom& random);
SyntheticDocument make_passkey(const SyntheticOptions& options, std::int64_t index,
                               CounterRandom& random);
SyntheticDocument make_multikey(const SyntheticOptions& options, CounterRandom& random);

}  // namespace unfold::data::synthetic
