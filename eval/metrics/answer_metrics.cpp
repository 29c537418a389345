#include "eval/metrics/answer_metrics.h"

#include <algorithm>
#include <string>
#include <vector>

#include "eval/metrics/answer_text.h"
#include "eval/metrics/python_text.h"

namespace unfold::eval {
namespace {

std::u32string normal(std::string_view utf8) {
  return normalize_answer(to_code_points(utf8));
}

// Rounds as the official code does: the order of the operations is part of the result.
template <typename Word>
double bag_f1(std::vector<Word> prediction, std::vector<Word> answer) {
  std::sort(prediction.begin(), prediction.end());
  std::sort(answer.begin(), answer.end());
  std::vector<Word> common;
  std::set_intersection(prediction.begin(), prediction.end(), answer.begin(), answer.end(),
                        std::back_inserter(common));
  if (common.empty()) return 0;
  const auto same = static_cast<double>(common.size());
  const double precision = same / static_cast<double>(prediction.size());
  const double recall = same / static_cast<double>(answer.size());
  return (2 * precision * recall) / (precision + recall);
}

std::vector<std::u32string> chinese_tokens(const ChineseWords& words, std::string_view utf8) {
  const std::u32string text = to_code_points(utf8);
  std::vector<std::u32string> tokens;
  for (const std::u32string_view word : words.cut(text)) {
    std::u32string token = normalize_chinese_answer(word);
    if (!token.empty()) tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

double answer_f1(std::string_view prediction, std::string_view answer) {
  const std::u32string predicted = normal(prediction);
  const std::u32string wanted = normal(answer);
  return bag_f1(python_split(predicted), python_split(wanted));
}

double chinese_answer_f1(const ChineseWords& words, std::string_view prediction,
                         std::string_view answer) {
  return bag_f1(chinese_tokens(words, prediction), chinese_tokens(words, answer));
}

double exact_match(std::string_view prediction, std::string_view answer) {
  return normal(prediction) == normal(answer) ? 1 : 0;
}

double subspan_match(std::string_view prediction, std::string_view answer) {
  return normal(prediction).find(normal(answer)) != std::u32string::npos ? 1 : 0;
}

}  // namespace unfold::eval
