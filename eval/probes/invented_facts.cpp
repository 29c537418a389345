#include "eval/probes/invented_facts.h"

#include <fmt/core.h>

#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "eval/probes/generator.h"

namespace unfold::eval {
namespace {

using data::CounterRandom;
using probes::pick;

constexpr std::array<std::string_view, 40> kStarts = {
    "Vel", "Tor", "Mar", "Kes", "Dun", "Ash", "Bri", "Cor",  "Fal", "Gar",
    "Hol", "Jas", "Lin", "Mor", "Nor", "Orr", "Pel", "Quin", "Ros", "Sel",
    "Tal", "Und", "Wes", "Yar", "Zel", "Bel", "Cal", "Dor",  "Eld", "Fen",
    "Gil", "Hes", "Ivo", "Kal", "Lor", "Mil", "Nim", "Osk",  "Ran", "Sto"};
constexpr std::array<std::string_view, 12> kMiddles = {"",   "a",  "e",  "i",  "o",  "u",
                                                       "an", "el", "in", "or", "am", "et"};
constexpr std::array<std::string_view, 20> kTowns = {
    "mora", "wick", "den",   "ford", "holm", "stead", "vary", "linge", "dale",  "burgh",
    "mere", "ton",  "haven", "gate", "well", "bury",  "moor", "field", "marsh", "cross"};
constexpr std::array<std::string_view, 16> kRivers = {"ra",  "wen", "ness", "sil", "ova", "dris",
                                                      "une", "sko", "lle",  "ith", "aro", "bex",
                                                      "nya", "vec", "rush", "olt"};
constexpr std::array<std::string_view, 32> kFirstNames = {
    "Ada",   "Bruno", "Clara", "Dario",  "Edith", "Felix",  "Greta",  "Hugo",
    "Irma",  "Jonas", "Karla", "Lorenz", "Mira",  "Nils",   "Olga",   "Pavel",
    "Rosa",  "Simon", "Tilda", "Ulf",    "Vera",  "Willem", "Yvonne", "Zeno",
    "Agnes", "Boris", "Cora",  "Denis",  "Elsa",  "Frank",  "Gerda",  "Henrik"};
constexpr std::array<std::string_view, 16> kFamilies = {
    "sky",  "strom", "mann", "etti", "ovic", "well", "aert", "quist",
    "ello", "bach",  "ides", "oru",  "ak",   "enko", "ard",  "son"};
constexpr std::array<std::string_view, 16> kJobs = {
    "a painter",  "an engineer", "a botanist",  "a composer", "an architect", "a surgeon",
    "a novelist", "a geologist", "a printer",   "a sculptor", "a chemist",    "an astronomer",
    "a teacher",  "a banker",    "an explorer", "a lawyer"};
constexpr std::array<std::string_view, 16> kWares = {
    "clocks",  "bicycles", "pianos",    "lamps",   "ploughs", "pumps",  "carpets", "telescopes",
    "kettles", "engines",  "umbrellas", "violins", "tiles",   "gloves", "ladders", "scales"};
constexpr std::array<std::string_view, 12> kSights = {
    "its old market hall",   "its narrow bridge",  "its spring fair",     "its salt works",
    "its wooden church",     "its apple orchards", "its school of music", "its paper mill",
    "its covered staircase", "its horse races",    "its glass windows",   "its stone harbour"};
constexpr std::array<std::string_view, 12> kHabits = {
    "kept bees",           "played chess by post",  "collected maps",       "never learned to swim",
    "walked to work",      "wrote many letters",    "spoke five languages", "bred small dogs",
    "feared the open sea", "sang in a large choir", "rose before dawn",     "owned no clock"};
constexpr std::array<std::string_view, 12> kQualities = {"They were never cheap.",
                                                         "Many of them are still in use.",
                                                         "Few of them were painted.",
                                                         "They were sold at every fair.",
                                                         "All were made by hand.",
                                                         "Some hang in museums now.",
                                                         "Most went abroad by ship.",
                                                         "They came in three sizes.",
                                                         "Each bore a small star.",
                                                         "They seldom broke.",
                                                         "They were known for their weight.",
                                                         "Their makers worked in silence."};

std::string invent_name(std::string_view end, CounterRandom& random) {
  const std::string_view start = pick(kStarts, random);
  const std::string_view middle = pick(kMiddles, random);
  return std::string(start) + std::string(middle) + std::string(end);
}

std::string town_name(CounterRandom& random) {
  return invent_name(pick(kTowns, random), random);
}

std::string person_name(CounterRandom& random) {
  const std::string_view first = pick(kFirstNames, random);
  return std::string(first) + " " + invent_name(pick(kFamilies, random), random);
}

std::string firm_name(CounterRandom& random) {
  static constexpr std::array<std::string_view, 4> kForms = {"Works", "Brothers", "Company",
                                                             "Union"};
  const std::string name = invent_name(pick(kFamilies, random), random);
  return name + " " + std::string(pick(kForms, random));
}

std::string year(CounterRandom& random) {
  return std::to_string(1500 + random.below(480));
}

InventedDocument invent_town(std::string name, CounterRandom& random) {
  InventedDocument town;
  const std::string river = invent_name(pick(kRivers, random), random);
  const std::string founded = year(random);
  town.founder = person_name(random);
  const std::uint64_t people = 2 + random.below(90);
  town.text = fmt::format(
      "{} is a town on the river {}. It was founded in {} by {}. About {} thousand people live "
      "there. Visitors come for {}.",
      name, river, founded, town.founder, people, pick(kSights, random));
  town.facts = {{fmt::format("On which river does the town of {} lie?", name), river},
                {fmt::format("In which year was the town of {} founded?", name), founded},
                {fmt::format("Who founded the town of {}?", name), town.founder}};
  town.title = std::move(name);
  return town;
}

InventedDocument invent_person(std::string name, CounterRandom& random) {
  InventedDocument person;
  const std::string born = year(random);
  const std::string town = town_name(random);
  const std::string teacher = person_name(random);
  const std::string_view job = pick(kJobs, random);
  person.text = fmt::format(
      "{} was {}, born in {} in the town of {}. The trade was learned from {}. It is said that "
      "{} {}.",
      name, job, born, town, teacher, name, pick(kHabits, random));
  person.facts = {{fmt::format("In which town was {} born?", name), town},
                  {fmt::format("In which year was {} born?", name), born},
                  {fmt::format("From whom did {} learn the trade?", name), teacher}};
  person.title = std::move(name);
  return person;
}

InventedDocument invent_firm(std::string name, CounterRandom& random) {
  InventedDocument firm;
  const std::string_view ware = pick(kWares, random);
  const std::string town = town_name(random);
  const std::string founded = year(random);
  firm.founder = person_name(random);
  firm.text = fmt::format(
      "{} is a maker of {} with its seat in the town of {}. The firm was founded in {} by {}. {}",
      name, ware, town, founded, firm.founder, pick(kQualities, random));
  firm.facts = {{fmt::format("In which town does the firm {} have its seat?", name), town},
                {fmt::format("In which year was the firm {} founded?", name), founded},
                {fmt::format("Who founded the firm {}?", name), firm.founder}};
  firm.title = std::move(name);
  return firm;
}

bool tells(const InventedDocument& document, const std::string& text) {
  return document.title.find(text) != std::string::npos ||
         document.text.find(text) != std::string::npos;
}

bool tells_once(const InventedDocument& document, const std::string& answer) {
  const std::size_t at = document.text.find(answer);
  return document.title.find(answer) == std::string::npos && at != std::string::npos &&
         document.text.find(answer, at + 1) == std::string::npos;
}

}  // namespace

InventedDocument invent_document(InventedSubject subject, CounterRandom& random, std::string name) {
  switch (subject) {
    case InventedSubject::town:
      return invent_town(name.empty() ? town_name(random) : std::move(name), random);
    case InventedSubject::person:
      return invent_person(name.empty() ? person_name(random) : std::move(name), random);
    case InventedSubject::firm:
      return invent_firm(name.empty() ? firm_name(random) : std::move(name), random);
  }
  core::fail(probes::kTag, "unknown subject {}", static_cast<int>(subject));
}

InventedDocument invent_document(CounterRandom& random) {
  return invent_document(static_cast<InventedSubject>(random.below(3)), random);
}

InventedQuestion invent_question(std::uint64_t seed, std::uint64_t index, std::int64_t documents,
                                 std::int64_t gold_index, int hops) {
  core::check(
      documents >= hops && gold_index >= 0 && gold_index < documents && hops >= 1 && hops <= 2,
      probes::kTag, "{} hops, {} documents, gold at {}", hops, documents, gold_index);
  constexpr std::uint64_t kDomain = 0x66616374;
  const auto stream = [&](std::uint64_t document, std::uint64_t trial) {
    return CounterRandom{kDomain, seed, index, static_cast<std::uint64_t>(hops), document, trial};
  };
  // Numbers of the streams of documents that are not distractors.
  constexpr std::uint64_t kGold = ~std::uint64_t{0};
  constexpr std::uint64_t kBridge = kGold - 1;

  InventedQuestion result;
  InventedDocument gold, bridge;
  for (std::uint64_t trial = 0;; ++trial) {
    CounterRandom random = stream(kGold, trial);
    if (hops == 1) {
      gold = invent_document(random);
      const InventedFact& fact = gold.facts[random.below(gold.facts.size())];
      result.question = fact.question;
      result.answer = fact.answer;
      // Invented names may agree by chance.
      if (tells_once(gold, result.answer)) break;
      continue;
    }
    const bool town = random.below(2) == 0;
    bridge = invent_document(town ? InventedSubject::town : InventedSubject::firm, random);
    gold = invent_document(InventedSubject::person, random, bridge.founder);
    const std::uint64_t fact = random.below(3);
    const std::string of =
        fmt::format("the founder of the {} {}", town ? "town of" : "firm", bridge.title);
    static constexpr std::array<std::string_view, 3> kQuestions = {
        "In which town was {} born?", "In which year was {} born?",
        "From whom did {} learn the trade?"};
    result.question = fmt::format(fmt::runtime(kQuestions[fact]), of);
    result.answer = gold.facts[fact].answer;
    if (tells_once(gold, result.answer) && !tells(bridge, result.answer)) break;
  }

  std::set<std::string> titles = {gold.title};
  if (hops == 2) titles.insert(bridge.title);
  // The bridge stands anywhere else.
  std::int64_t bridge_index = -1;
  if (hops == 2) {
    CounterRandom random = stream(kBridge, 0);
    bridge_index =
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(documents - 1)));
    bridge_index += bridge_index >= gold_index ? 1 : 0;
    result.gold.push_back(bridge_index);
  }
  result.gold.push_back(gold_index);
  for (std::int64_t i = 0; i < documents; ++i) {
    if (i == gold_index || i == bridge_index) {
      result.documents.push_back(i == gold_index ? gold : bridge);
      continue;
    }
    for (std::uint64_t trial = 0;; ++trial) {
      CounterRandom random = stream(static_cast<std::uint64_t>(i), trial);
      InventedDocument distractor = invent_document(random);
      // Nothing about what is asked for or the way there, and no second answer.
      if (tells(distractor, result.answer) || tells(distractor, gold.title) ||
          (hops == 2 && tells(distractor, bridge.title)) ||
          !titles.insert(distractor.title).second) {
        continue;
      }
      result.documents.push_back(std::move(distractor));
      break;
    }
  }
  return result;
}

}  // namespace unfold::eval
