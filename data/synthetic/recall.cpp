#include <algorithm>
#include <numeric>
#include <span>

#include "core/error.h"
#include "data/synthetic/generator.h"

namespace unfold::data::synthetic {

namespace {

struct Fact {
  std::string key, value, text;
};

// What the styles differ in.
struct Style {
  std::string_view opening, fact_end, context_end, question;
};

Style style_of(const SyntheticOptions& options) {
  if (options.style == SyntheticStyle::compact) return {"Facts", "", "", " ? "};
  return {"Facts:", ",", ".\n", "Recall "};
}

// How many of the words of a list to use; 0: all.
std::size_t choose_size(std::int64_t wanted, std::size_t all, std::string_view what) {
  core::require(wanted >= 0 && wanted <= static_cast<std::int64_t>(all), kTag,
                "{} different {}: choose 1 to {}, or 0 for all", wanted, what, all);
  return wanted == 0 ? all : static_cast<std::size_t>(wanted);
}

std::vector<Fact> draw_facts(const SyntheticOptions& options, CounterRandom& random) {
  std::array<std::string_view, kNames> all = names();
  const std::span keys = std::span(all).first(choose_size(options.keys, kNames, "keys"));
  const auto words =
      std::span(things()).first(choose_size(options.values, kThings, "words of values"));
  random.shuffle(keys);
  std::vector<Fact> facts;
  for (const std::string_view key : keys) {
    Fact fact{std::string(key), "", ""};
    for (std::int64_t word = 0; word < options.value_words; ++word) {
      if (word > 0) fact.value += ' ';
      fact.value += pick(words, random);
    }
    // Key and value side by side: where the key is seen again, the value is what followed it.
    fact.text = fmt::format(" {} {}{}", fact.key, fact.value, style_of(options).fact_end);
    facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace

SyntheticDocument make_recall(const SyntheticOptions& options, CounterRandom& random) {
  const Style style = style_of(options);
  core::require(options.value_words >= 1 && options.value_words <= 16, kTag,
                "values of {} words: choose 1 to 16", options.value_words);
  std::vector<Fact> facts = draw_facts(options, random);
  std::int64_t room = options.context - measure(options, style.opening);
  // The full stop takes the place of the last comma.
  if (!style.context_end.empty()) room -= measure(options, "\n");

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
  document.context = style.opening;
  for (const std::size_t i : sequence) document.context += facts[i].text;
  document.context.resize(document.context.size() - style.fact_end.size());
  document.context += style.context_end;
  random.shuffle(std::span(facts));
  const auto questions =
      options.questions > 0 ? static_cast<std::size_t>(options.questions) : facts.size();
  for (std::size_t i = 0; i < questions; ++i) {
    const Fact& fact = facts[i % facts.size()];
    document.questions.push_back({std::string(style.question) + fact.key, fact.value});
  }
  // Asked again, facts come in another order.
  if (questions > facts.size()) random.shuffle(std::span(document.questions));
  return document;
}

}  // namespace unfold::data::synthetic
