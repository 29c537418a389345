#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "data/synthetic/generator.h"

namespace unfold::data::synthetic {

namespace {

struct Fact {
  std::string key, value, text;
};

std::vector<Fact> draw_facts(const SyntheticOptions& options, CounterRandom& random) {
  std::array<std::string_view, kNames> keys = names();
  random.shuffle(std::span<std::string_view>(keys));
  std::vector<Fact> facts;
  for (const std::string_view key : keys) {
    Fact fact{std::string(key), "", ""};
    for (std::int64_t word = 0; word < options.value_words; ++word) {
      if (word > 0) fact.value += ' ';
      fact.value += pick(things(), random);
    }
    // Key and value side by side: where the key is seen again, the value is what followed it.
    fact.text = fmt::format(" {} {},", fact.key, fact.value);
    facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace

SyntheticDocument make_recall(const SyntheticOptions& options, CounterRandom& random) {
  constexpr std::string_view kOpening = "Facts:";
  core::require(options.value_words >= 1 && options.value_words <= 16, kTag,
                "values of {} words: choose 1 to 16", options.value_words);
  std::vector<Fact> facts = draw_facts(options, random);
  std::int64_t room = options.context - measure(options, kOpening) - measure(options, "\n");

  std::size_t fitting = 0;
  for (std::int64_t used = 0; fitting < facts.size(); ++fitting) {
    used += measure(options, facts[fitting].text);
    if (used > room) break;
  }
  core::require(fitting > 0, kTag, "a context of {} holds no fact: raise its size",
                options.context);
  const auto most = options.facts > 0 ? std::min<std::uint64_t>(fitting, options.facts) : fitting;
  const auto least =
      options.min_facts > 0 ? std::min<std::uint64_t>(most, options.min_facts) : most;
  const std::size_t distinct = least + random.below(most - least + 1);
  facts.resize(distinct);

  std::vector<std::size_t> sequence(distinct);
  std::iota(sequence.begin(), sequence.end(), 0);
  for (const Fact& fact : facts) room -= measure(options, fact.text);
  for (std::size_t i = 0;; i = (i + 1) % distinct) {
    room -= measure(options, facts[i].text);
    if (room < 0) break;
    sequence.push_back(i);
  }
  random.shuffle(std::span(sequence));

  SyntheticDocument document;
  document.context = kOpening;
  for (const std::size_t i : sequence) document.context += facts[i].text;
  document.context.back() = '.';
  document.context += '\n';
  random.shuffle(std::span(facts));
  for (const Fact& fact : facts) document.questions.push_back({"Recall " + fact.key, fact.value});
  return document;
}

}  // namespace unfold::data::synthetic
