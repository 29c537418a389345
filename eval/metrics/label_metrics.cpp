#include "eval/metrics/label_metrics.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "eval/metrics/python_text.h"

namespace unfold::eval {
namespace {

double share_of_numbers(std::string_view prediction, std::u32string_view number) {
  const std::u32string text = to_code_points(prediction);
  const auto numbers = find_numbers(text);
  if (numbers.empty()) return 0;
  const auto right = std::count(numbers.begin(), numbers.end(), number);
  return static_cast<double>(right) / static_cast<double>(numbers.size());
}

// The digits behind the first cue that has some.
std::u32string number_behind(std::u32string_view text, std::u32string_view cue) {
  for (std::size_t at = text.find(cue); at != std::u32string_view::npos;
       at = text.find(cue, at + 1)) {
    const std::size_t begin = at + cue.size();
    std::size_t end = begin;
    while (end < text.size() && is_python_digit(text[end])) ++end;
    if (end > begin) return std::u32string(text.substr(begin, end - begin));
  }
  return {};
}

double paragraph_share(std::string_view prediction, std::string_view answer,
                       std::u32string_view cue, std::string_view shown) {
  const std::u32string number = number_behind(to_code_points(answer), cue);
  core::require(!number.empty(), "metrics",
                "the answer names no paragraph: expected \"{}\" and a number in each answer",
                shown);
  return share_of_numbers(prediction, number);
}

}  // namespace

double class_score(std::string_view prediction, std::string_view answer,
                   std::span<const std::string> classes) {
  std::vector<std::string_view> named;
  for (const std::string& name : classes) {
    if (prediction.find(name) != std::string_view::npos) named.push_back(name);
  }
  for (std::size_t i = 0; i < named.size(); ++i) {
    const std::string_view name = named[i];
    if (name == answer || answer.find(name) == std::string_view::npos) continue;
    named.erase(std::find(named.begin(), named.end(), name));
  }
  if (std::find(named.begin(), named.end(), answer) == named.end()) return 0;
  return 1.0 / static_cast<double>(named.size());
}

double count_score(std::string_view prediction, std::string_view answer) {
  return share_of_numbers(prediction, to_code_points(answer));
}

double paragraph_score(std::string_view prediction, std::string_view answer) {
  return paragraph_share(prediction, answer, U"Paragraph ", "Paragraph ");
}

double chinese_paragraph_score(std::string_view prediction, std::string_view answer) {
  return paragraph_share(prediction, answer, U"\u6BB5\u843D", "\u6BB5\u843D");
}

}  // namespace unfold::eval
