#include "eval/metrics/word_tagger.h"

#include <cstdint>

namespace unfold::eval {
namespace {

constexpr std::size_t kBegin = 0;
constexpr std::size_t kEnd = 1;
constexpr std::size_t kMiddle = 2;
constexpr std::size_t kSingle = 3;
constexpr std::size_t kStates = TaggerTables::kStates;

// States that may come before one, in the order of the alphabet, which is that of their numbers.
constexpr std::array<std::array<std::size_t, 2>, kStates> kBefore = {{
    {kEnd, kSingle},    // before a begin
    {kBegin, kMiddle},  // before an end
    {kBegin, kMiddle},  // before a middle
    {kEnd, kSingle},    // before a single
}};

}  // namespace

TaggerTables::TaggerTables() {
  start.fill(kNever);
  for (auto& row : step) row.fill(kNever);
  for (auto& row : emit) row.assign(kLast - kFirst + 1, kNever);
}

void cut_by_tags(const TaggerTables& tables, std::u32string_view text,
                 std::vector<std::u32string_view>& words) {
  if (text.empty()) return;
  const auto emitted = [&](std::size_t state, std::size_t at) {
    return tables.emit[state][text[at] - TaggerTables::kFirst];
  };
  std::array<double, kStates> scores;
  for (std::size_t s = 0; s < kStates; ++s) scores[s] = tables.start[s] + emitted(s, 0);
  std::vector<std::array<std::uint8_t, kStates>> came_from(text.size());
  for (std::size_t at = 1; at < text.size(); ++at) {
    std::array<double, kStates> next;
    for (std::size_t s = 0; s < kStates; ++s) {
      const auto [first, second] = kBefore[s];
      const double by_first = scores[first] + tables.step[first][s] + emitted(s, at);
      const double by_second = scores[second] + tables.step[second][s] + emitted(s, at);
      // Sums with kNever are often equal: it swallows what is added.
      const bool take_second = by_second >= by_first;
      next[s] = take_second ? by_second : by_first;
      came_from[at][s] = static_cast<std::uint8_t>(take_second ? second : first);
    }
    scores = next;
  }
  std::vector<std::uint8_t> states(text.size());
  std::size_t state = scores[kSingle] >= scores[kEnd] ? kSingle : kEnd;
  for (std::size_t at = text.size(); at-- > 0; state = came_from[at][state]) {
    states[at] = static_cast<std::uint8_t>(state);
  }
  std::size_t begin = 0;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (states[at] == kBegin) begin = at;
    if (states[at] == kEnd || states[at] == kSingle) {
      if (states[at] == kSingle) begin = at;
      words.push_back(text.substr(begin, at + 1 - begin));
      done = at + 1;
    }
  }
  if (done < text.size()) words.push_back(text.substr(done));
}

}  // namespace unfold::eval
