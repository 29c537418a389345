#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "data/synthetic/generator.h"

namespace unfold::data::synthetic {

SyntheticDocument make_multikey(const SyntheticOptions& options, CounterRandom& random) {
  constexpr std::size_t kPairs = kAdjectives * kAnimals;
  std::vector<std::size_t> pairs(kPairs);
  std::iota(pairs.begin(), pairs.end(), 0);
  random.shuffle(std::span(pairs));

  const auto most = options.facts > 0 ? std::min<std::uint64_t>(kPairs, options.facts) : kPairs;
  std::int64_t room = options.context;
  const std::int64_t reserve = options.facts > 0 ? 0 : options.context / 2;
  SyntheticDocument document;
  std::vector<std::string> needles;
  for (std::size_t i = 0; i < most; ++i) {
    const std::string_view adjective = adjectives()[pairs[i] / kAnimals];
    const std::string_view animal = animals()[pairs[i] % kAnimals];
    const std::string code = five_digits(random);
    Question question{fmt::format("The code of {} {} is", adjective, animal), code};
    std::string needle = fmt::format("{} {}.", question.question, code);
    const std::int64_t size = measure(options, " " + needle);
    if (size > room || (room - size < reserve && !needles.empty())) break;
    room -= size;
    needles.push_back(std::move(needle));
    document.questions.push_back(std::move(question));
  }
  core::require(!needles.empty(), kTag, "a context of {} holds no code: raise its size",
                options.context);
  std::vector<std::string> sentences = filler(options, room, random);
  // Where needles stand among the filler: a random subset of all places.
  std::vector<std::size_t> places(needles.size() + sentences.size());
  std::iota(places.begin(), places.end(), 0);
  random.shuffle(std::span(places));
  std::vector<std::string> text(places.size());
  for (std::size_t i = 0; i < needles.size(); ++i) text[places[i]] = std::move(needles[i]);
  auto next = sentences.begin();
  for (std::string& sentence : text) {
    if (sentence.empty()) sentence = std::move(*next++);
  }
  document.context = join_sentences(text);
  random.shuffle(std::span(document.questions));
  return document;
}

}  // namespace unfold::data::synthetic
