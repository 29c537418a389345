#include <array>

#include "core/error.h"
#include "data/synthetic/generator.h"

namespace unfold::data::synthetic {

namespace {

constexpr std::array<std::string_view, 24> kPeople = {
    "the baker",   "the old miller", "a young clerk", "the gardener",  "the captain",
    "a traveller", "the teacher",    "the widow",     "a farmer",      "the doctor",
    "the smith",   "a fisherman",    "the librarian", "the carpenter", "my neighbour",
    "the sailor",  "a shepherd",     "the postman",   "the painter",   "a student",
    "the cook",    "the judge",      "the innkeeper", "a stranger"};

constexpr std::array<std::string_view, 24> kActions = {
    "walked slowly",     "waited for news",      "sat down to rest",  "told a long story",
    "looked at the sky", "counted the boats",    "sang an old song",  "wrote a short letter",
    "lit a small fire",  "mended a broken wall", "listened closely",  "talked about the harvest",
    "slept until noon",  "read an old book",     "carried some wood", "bought fresh bread",
    "watched the road",  "drank a cup of tea",   "closed the door",   "swept the floor",
    "asked for advice",  "thought of home",      "drew a rough map",  "fed the hens"};

constexpr std::array<std::string_view, 24> kPlaces = {
    "near the mill",        "by the sea",           "on the hill",       "in the market",
    "behind the church",    "under the old oak",    "at the crossroads", "along the canal",
    "in the upper room",    "on the village green", "beside the stove",  "across the meadow",
    "at the edge of town",  "in the courtyard",     "by the open gate",  "outside the inn",
    "on the wooden pier",   "in the orchard",       "above the bakery",  "near the station",
    "among the pine trees", "in the narrow lane",   "at the river bank", "below the castle"};

constexpr std::array<std::string_view, 16> kTimes = {
    "In the morning",  "Before sunset",       "After the rain",      "Late at night",
    "On the next day", "During the festival", "When the bells rang", "At the end of winter",
    "On a cloudy day", "Soon after supper",   "While others slept",  "In early spring",
    "On market day",   "As the snow melted",  "Without any hurry",   "Long before dawn"};

constexpr std::array<std::string_view, 16> kWeather = {
    "the wind turned to the north", "the streets were empty",      "the air smelled of smoke",
    "the water was very still",     "a light rain began to fall",  "the sun came out again",
    "the fields lay quiet",         "fog covered the whole coast", "the leaves had turned brown",
    "the lamps were lit early",     "the birds had gone south",    "nobody said a word",
    "the clock had stopped",        "the path was hard to see",    "the ice began to crack",
    "the smoke rose straight up"};

std::string capitalised(std::string_view text) {
  std::string result(text);
  if (result[0] >= 'a' && result[0] <= 'z') result[0] = static_cast<char>(result[0] - 'a' + 'A');
  return result;
}

}  // namespace

std::string filler_sentence(CounterRandom& random) {
  // Drawn in a fixed order: the order in which a call evaluates its arguments is up to the
  // compiler.
  const std::uint64_t form = random.below(5);
  const std::string_view person = pick(kPeople, random);
  const std::string_view action = pick(kActions, random);
  const std::string_view place = pick(kPlaces, random);
  const std::string_view time = pick(kTimes, random);
  const std::string_view weather = pick(kWeather, random);
  const std::string_view other = pick(kPeople, random);
  const std::string_view later = pick(kActions, random);
  switch (form) {
    case 0:
      return fmt::format("{} {} {}.", capitalised(person), action, place);
    case 1:
      return fmt::format("{}, {} {}.", time, person, action);
    case 2:
      return fmt::format("{} {} {}, and {}.", capitalised(person), action, place, weather);
    case 3:
      return fmt::format("{}, {} and {} {}.", time, weather, person, later);
    default:
      return fmt::format("{} {}, while {} {} {}.", capitalised(person), action, other, later,
                         place);
  }
}

std::string five_digits(CounterRandom& random) {
  return std::to_string(10000 + random.below(90000));
}

std::int64_t measure(const SyntheticOptions& options, std::string_view text) {
  if (!options.measure) return static_cast<std::int64_t>(text.size());
  const std::int64_t size = options.measure(text);
  core::check(size > 0, kTag, "'{}' has size {}", text, size);  // else no context is ever full
  return size;
}

std::vector<std::string> filler(const SyntheticOptions& options, std::int64_t size,
                                CounterRandom& random) {
  std::vector<std::string> sentences;
  // Several tries at the end: a shorter sentence may still fit where a longer one did not.
  for (int misses = 0; misses < 4;) {
    std::string sentence = filler_sentence(random);
    const std::int64_t length = measure(options, " " + sentence);
    if (length > size) {
      ++misses;
      continue;
    }
    size -= length;
    sentences.push_back(std::move(sentence));
  }
  return sentences;
}

std::string join_sentences(const std::vector<std::string>& sentences) {
  constexpr std::size_t kParagraph = 6;
  std::string text;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    text += sentences[i];
    text += i + 1 == sentences.size() || i % kParagraph == kParagraph - 1 ? '\n' : ' ';
  }
  return text;
}

}  // namespace unfold::data::synthetic
