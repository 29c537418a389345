// Pairs of prediction and answer for the metrics, the same as tests/golden/longbench_pairs.py makes
// from tests/golden/longbench_fragments.json, so that golden files need to hold scores alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/counter_random.h"

namespace unfold::eval {

struct MetricPair {
  std::string prediction;
  std::string answer;
  std::vector<std::string> classes;
};

std::filesystem::path golden_file(std::string_view name);

class MetricPairs {
 public:
  MetricPairs();

  // Pair `index` of the metric of this name and number.
  MetricPair make(const std::string& metric, std::uint64_t number, std::uint64_t index) const;

  using Groups = std::vector<std::vector<std::string>>;
  Groups groups(const std::vector<std::string>& names) const;
  // That many fragments or characters, with spaces between some.
  std::vector<std::string> pieces(data::CounterRandom& random, const Groups& groups,
                                  std::uint64_t count) const;

 private:
  std::string piece(data::CounterRandom& random, const Groups& groups) const;
  std::vector<std::string> changed(data::CounterRandom& random, const Groups& groups,
                                   const std::vector<std::string>& kept) const;

  std::map<std::string, std::vector<std::string>> fragments_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges_;
  std::map<std::string, std::vector<std::string>> groups_of_metrics_;
};

// 64-bit FNV-1a of a text and a zero byte behind it; begins with kHashStart.
inline constexpr std::uint64_t kHashStart = 0xCBF29CE484222325u;
std::uint64_t hash_text(std::uint64_t state, std::string_view text);

std::string to_utf8(std::u32string_view text);

}  // namespace unfold::eval
