#include "eval/metrics/string_match.h"

#include <algorithm>

#include "core/error.h"

namespace unfold::eval {
namespace {

char small(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

double string_match(std::string_view prediction, std::string_view answer) {
  const auto found = std::search(prediction.begin(), prediction.end(), answer.begin(), answer.end(),
                                 [](char a, char b) { return small(a) == small(b); });
  return found != prediction.end() || answer.empty() ? 1 : 0;
}

double string_match_share(std::string_view prediction, std::span<const std::string> answers) {
  core::check(!answers.empty(), "string_match", "no answers");
  double found = 0;
  for (const std::string& answer : answers) found += string_match(prediction, answer);
  return found / static_cast<double>(answers.size());
}

std::string_view first_integer(std::string_view text) {
  const auto begin = std::find_if(text.begin(), text.end(), is_digit);
  const auto end = std::find_if_not(begin, text.end(), is_digit);
  return text.substr(static_cast<std::size_t>(begin - text.begin()),
                     static_cast<std::size_t>(end - begin));
}

double passkey_match(std::string_view prediction, std::string_view key) {
  return first_integer(prediction) == key ? 1 : 0;
}

}  // namespace unfold::eval
