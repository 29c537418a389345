#include "eval/probes/generator.h"

#include <numeric>
#include <set>
#include <span>

#include "core/error.h"
#include "data/synthetic/generator.h"

namespace unfold::eval::probes {
namespace {

// Part of every stream's key: what other parts of the program draw from the same seed differs.
constexpr std::uint64_t kDomain = 0x70726f62;

// `count` different values of draw().
template <typename Draw>
std::vector<std::string> draw_different(std::size_t count, const Draw& draw) {
  std::set<std::string> seen;
  std::vector<std::string> values;
  while (values.size() < count) {
    std::string value = draw();
    if (seen.insert(value).second) values.push_back(std::move(value));
  }
  return values;
}

}  // namespace

double Request::depth() const {
  const std::int64_t depths = options.depths;
  return depths == 1 ? 0.5 : static_cast<double>(index % depths) / static_cast<double>(depths - 1);
}

data::CounterRandom Request::random(Stream stream, std::uint64_t part) const {
  return data::CounterRandom{kDomain,
                             options.seed,
                             static_cast<std::uint64_t>(kind),
                             static_cast<std::uint64_t>(options.context_tokens),
                             static_cast<std::uint64_t>(index),
                             static_cast<std::uint64_t>(stream),
                             part};
}

std::vector<std::string> draw_things(std::size_t count, data::CounterRandom& random) {
  using data::synthetic::adjectives;
  using data::synthetic::animals;
  static_assert(data::synthetic::kAdjectives * data::synthetic::kAnimals == kMostThings);
  core::require(count <= kMostThings, kTag, "{} different things: ask for at most {}", count,
                kMostThings);
  std::vector<std::size_t> pairs(kMostThings);
  std::iota(pairs.begin(), pairs.end(), 0);
  random.shuffle(std::span(pairs));
  std::vector<std::string> things;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t animal = pairs[i] % animals().size();
    things.push_back(std::string(adjectives()[pairs[i] / animals().size()]) + " " +
                     std::string(animals()[animal]));
  }
  return things;
}

std::vector<std::string> draw_numbers(std::size_t count, int digits, data::CounterRandom& random) {
  std::uint64_t least = 1;
  for (int i = 1; i < digits; ++i) least *= 10;
  return draw_different(count, [&] { return std::to_string(least + random.below(9 * least)); });
}

std::vector<std::string> draw_variables(std::size_t count, data::CounterRandom& random) {
  return draw_different(count, [&] {
    std::string name;
    for (int i = 0; i < 5; ++i) name += static_cast<char>('A' + random.below(26));
    return name;
  });
}

std::vector<std::string> draw_codes(std::size_t count, data::CounterRandom& random) {
  constexpr std::string_view kConsonants = "bdfgklmnprstvz";
  constexpr std::string_view kVowels = "aeiou";
  return draw_different(count, [&] {
    std::string word;
    for (int i = 0; i < 3; ++i) {
      word += kConsonants[random.below(kConsonants.size())];
      word += kVowels[random.below(kVowels.size())];
    }
    return word;
  });
}

std::string enumerate(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? " and " : ", ";
    text += items[i];
  }
  return text;
}

}  // namespace unfold::eval::probes
