#include "tests/eval/metric_pairs.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace unfold::eval {
namespace {

using data::CounterRandom;

constexpr std::uint64_t kSeed = 7;

template <typename T>
const T& pick(CounterRandom& random, const std::vector<T>& items) {
  return items[random.below(items.size())];
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& one : pieces) text += one;
  return text;
}

MetricPair long_sentences(CounterRandom& random, std::uint64_t count, bool change) {
  MetricPair pair;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string word = fmt::format("w{} ", random.below(2000));
    pair.answer += word;
    if (!change || random.below(8) != 0) pair.prediction += word;
  }
  return pair;
}

}  // namespace

std::filesystem::path golden_file(std::string_view name) {
  return std::filesystem::path(UNFOLD_SOURCE_DIR) / "tests" / "golden" / name;
}

MetricPairs::MetricPairs() {
  std::ifstream in(golden_file("longbench_fragments.json"), std::ios::binary);
  const nlohmann::json file = nlohmann::json::parse(in);
  file.at("groups").get_to(fragments_);
  file.at("ranges").get_to(ranges_);
  file.at("metrics").get_to(groups_of_metrics_);
}

MetricPairs::Groups MetricPairs::groups(const std::vector<std::string>& names) const {
  Groups found;
  for (const std::string& name : names) found.push_back(fragments_.at(name));
  return found;
}

std::string MetricPairs::piece(CounterRandom& random, const Groups& groups) const {
  const std::uint64_t kind = random.below(100);
  if (kind < 80) return pick(random, pick(random, groups));
  if (kind < 88) {  // any character but surrogates
    const auto c = static_cast<char32_t>(random.below(0x110000 - 0x800));
    return to_utf8(std::u32string(1, c < 0xD800 ? c : c + 0x800));
  }
  if (kind < 97) {
    const auto [first, last] = pick(random, ranges_);
    return to_utf8(
        std::u32string(1, static_cast<char32_t>(first + random.below(last - first + 1))));
  }
  const std::string fragment = pick(random, pick(random, groups));
  std::string text;
  for (std::uint64_t n = 1 + random.below(60); n > 0; --n) text += fragment;
  return text;
}

std::vector<std::string> MetricPairs::pieces(CounterRandom& random, const Groups& groups,
                                             std::uint64_t count) const {
  std::vector<std::string> result;
  for (std::uint64_t i = 0; i < count; ++i) {
    result.push_back(piece(random, groups));
    if (random.below(2) == 0) result.push_back(" ");
  }
  return result;
}

std::vector<std::string> MetricPairs::changed(CounterRandom& random, const Groups& groups,
                                              const std::vector<std::string>& kept) const {
  std::vector<std::string> result;
  for (std::string one : kept) {
    const std::uint64_t action = random.below(12);
    if (action == 1) one = piece(random, groups);
    if (action == 2) result.push_back(piece(random, groups));
    if (action == 3) result.push_back(one);
    if (action != 0) result.push_back(one);
  }
  if (!result.empty() && random.below(4) == 0) {  // turned round
    const auto at = static_cast<std::ptrdiff_t>(random.below(result.size()));
    std::rotate(result.begin(), result.begin() + at, result.end());
  }
  return result;
}

MetricPair MetricPairs::make(const std::string& metric, std::uint64_t number,
                             std::uint64_t index) const {
  CounterRandom random({kSeed, number, index});
  const Groups groups = this->groups(groups_of_metrics_.at(metric));
  if (metric.starts_with("rouge") && index % 250 == 0) {
    const std::uint64_t count = 984 + random.below(10);
    return long_sentences(random, count, false);
  }
  if (metric.starts_with("rouge") && index % 250 == 1) {
    const std::uint64_t count = 400 + random.below(400);
    return long_sentences(random, count, true);
  }
  const std::uint64_t shape = random.below(16);
  const std::uint64_t count = shape == 0 ? random.below(2) : 1 + random.below(12);
  std::vector<std::string> answer = pieces(random, groups, count);
  std::vector<std::string> prediction = answer;
  if (shape == 1) {
    const std::uint64_t others = random.below(12);
    prediction = pieces(random, groups, others);
  } else if (shape != 2) {
    prediction = changed(random, groups, answer);
  }
  MetricPair pair;
  std::string label;  // the answer, or what the score asks of it
  bool labelled = false;
  if (metric == "classification") {
    for (std::uint64_t n = 1 + random.below(10); n > 0; --n) {
      pair.classes.push_back(pick(random, groups[0]));
    }
    label = pick(random, pair.classes);
    labelled = true;
    if (random.below(8) != 0) answer = {label};
  }
  if (metric.starts_with("retrieval") && random.below(40) != 0) {
    label = fmt::format("{}", 1 + random.below(12));
    labelled = true;
    answer.resize(std::min<std::size_t>(answer.size(), random.below(3)));
    answer.push_back((metric == "retrieval" ? "Paragraph " : "\u6bb5\u843d") + label);
  }
  if (metric == "count" && random.below(8) != 0) {
    label = fmt::format("{}", 1 + random.below(12));
    labelled = true;
    answer = {label};
  }
  if (labelled && random.below(2) == 0) prediction.push_back(label);
  pair.prediction = joined(prediction);
  pair.answer = joined(answer);
  return pair;
}

std::uint64_t hash_text(std::uint64_t state, std::string_view text) {
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return state * 0x100000001B3u;
}

std::string to_utf8(std::u32string_view text) {
  std::string bytes;
  const auto add = [&](char32_t byte) { bytes += static_cast<char>(byte); };
  const auto add_rest = [&](char32_t bits) { add(0x80 | (bits & 0x3F)); };
  for (const char32_t c : text) {
    if (c < 0x80) {
      add(c);
    } else if (c < 0x800) {
      add(0xC0 | c >> 6), add_rest(c);
    } else if (c < 0x10000) {
      add(0xE0 | c >> 12), add_rest(c >> 6), add_rest(c);
    } else {
      add(0xF0 | c >> 18), add_rest(c >> 12), add_rest(c >> 6), add_rest(c);
    }
  }
  return bytes;
}

}  // namespace unfold::eval
