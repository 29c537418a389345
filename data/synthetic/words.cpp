// Word lists of the synthetic tasks.
// Their order and length are part of what a seed means: a change makes other documents.
#include "data/synthetic/generator.h"

namespace unfold::data::synthetic {

const std::array<std::string_view, kNames>& names() {
  static constexpr std::array<std::string_view, kNames> kList = {
      "Marlo",  "Marwe",   "Marpo",  "Marzu",  "Marra",   "Marku",   "Marsko", "Marbel", "Beslo",
      "Besta",  "Besvin",  "Besden", "Besra",  "Besmi",   "Besko",   "Besbel", "Torlo",  "Torwe",
      "Torvin", "Tordak",  "Torra",  "Tormi",  "Torsko",  "Torbel",  "Lunlo",  "Lunta",  "Lunvin",
      "Lunden", "Lunra",   "Lunmi",  "Lunsko", "Lunbel",  "Kello",   "Kelwe",  "Kelfor", "Kelden",
      "Kelra",  "Kelmi",   "Kelsko", "Kelbel", "Fenlo",   "Fenta",   "Fenvin", "Fendu",  "Fenra",
      "Fenmi",  "Fensko",  "Fenbel", "Darlo",  "Darpu",   "Darvin",  "Darwe",  "Darra",  "Darmi",
      "Darsko", "Darbel",  "Violo",  "Viota",  "Viopin",  "Vioden",  "Viora",  "Violu",  "Viozak",
      "Viodar", "Roslo",   "Roswe",  "Rosfi",  "Rosgu",   "Rosra",   "Rosnu",  "Rossko", "Rostak",
      "Nimlo",  "Nimta",   "Nimvin", "Nimden", "Nimra",   "Nimmi",   "Nimsko", "Nimfor", "Sallo",
      "Salpo",  "Salfor",  "Salden", "Salra",  "Salnu",   "Salsko",  "Salbel", "Bronlo", "Bronwe",
      "Bronak", "Bronden", "Bronra", "Bronmi", "Bronsko", "Bronbel", "Callo",  "Calwe",  "Calzak",
      "Caldu",  "Calra",   "Calnu",  "Calsko", "Calgor",  "Heslo",   "Heswe",  "Hesvin", "Hesden",
      "Hesra",  "Hesmi",   "Hessko", "Hesbel", "Jorlo",   "Jorta",   "Jorvin", "Jordu",  "Jorra",
      "Jormi",  "Jorsko",  "Jorbel", "Pello",  "Pelwe",   "Pelvin",  "Pelden", "Pelra",  "Pelmi",
      "Pelsko", "Pelbel"};
  return kList;
}

const std::array<std::string_view, kThings>& things() {
  static constexpr std::array<std::string_view, kThings> kList = {
      "tulip",  "river",  "stone",  "lamp",   "apple",  "bridge",   "candle",  "feather",
      "hammer", "island", "jacket", "kettle", "ladder", "mirror",   "needle",  "orange",
      "pencil", "quilt",  "ribbon", "saddle", "table",  "umbrella", "violin",  "window",
      "anchor", "basket", "carpet", "dragon", "engine", "flute",    "garden",  "helmet",
      "insect", "jewel",  "kitten", "lemon",  "magnet", "noodle",   "olive",   "pillow",
      "rabbit", "silver", "ticket", "velvet", "wagon",  "barrel",   "cactus",  "diamond",
      "eagle",  "forest", "guitar", "harbor", "ivory",  "jungle",   "lantern", "marble",
      "nickel", "onion",  "paper",  "rocket", "shovel", "thunder",  "valley",  "walnut"};
  return kList;
}

const std::array<std::string_view, kAdjectives>& adjectives() {
  static constexpr std::array<std::string_view, kAdjectives> kList = {
      "amber",  "brave",  "calm",   "clever", "cold",   "curious", "dusty", "early",
      "fierce", "gentle", "golden", "hollow", "humble", "jolly",   "lazy",  "little",
      "lonely", "loud",   "merry",  "mighty", "noble",  "patient", "proud", "quick",
      "quiet",  "rusty",  "shy",    "silent", "sleepy", "swift",   "tiny",  "wise"};
  return kList;
}

const std::array<std::string_view, kAnimals>& animals() {
  static constexpr std::array<std::string_view, kAnimals> kList = {
      "badger", "beaver", "bison", "camel", "crane",  "crow",  "deer",  "duck",
      "falcon", "ferret", "finch", "fox",   "frog",   "goose", "hare",  "heron",
      "horse",  "lynx",   "mole",  "moose", "otter",  "owl",   "panda", "raven",
      "salmon", "seal",   "shark", "snail", "spider", "tiger", "whale", "wolf"};
  return kList;
}

}  // namespace unfold::data::synthetic
