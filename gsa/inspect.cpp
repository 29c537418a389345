#include "gsa/inspect.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/insertion.h"
#include "gsa/layout.h"
#include "gsa/visibility.h"

namespace unfold::gsa {
namespace {

std::vector<std::string> split_words(std::string_view pattern) {
  constexpr std::string_view kBlanks = " \t\n\r";
  std::vector<std::string> words;
  std::size_t begin = pattern.find_first_not_of(kBlanks);
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(pattern.find_first_of(kBlanks, begin), pattern.size());
    words.emplace_back(pattern.substr(begin, end - begin));
    begin = pattern.find_first_not_of(kBlanks, end);
  }
  return words;
}

std::int8_t level_of(std::string_view word) {
  switch (word.front()) {
    case 'g':
      return 0;
    case 'G':
      return 1;
    case 'H':
      return 2;
    default:
      return -1;
  }
}

// Characters, counting a UTF-8 sequence once.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string right_aligned(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ').append(text);
}

// RFC 4180: a field with a comma or a quote is quoted, its quotes doubled.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"") == std::string::npos) return text;
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + '"';
}

// The pattern as a layout of one row, with the names of its positions.
struct Matrix {
  std::vector<std::string> names;
  Layout layout;
  GistConfig config;
  VisibilityCounts counts;

  std::size_t size() const { return names.size(); }
  std::string rope(std::size_t t) const { return std::to_string(layout.rope[t]); }
  bool sees(std::size_t q, std::size_t k) const {
    return visible(counts, static_cast<std::int64_t>(q), static_cast<std::int64_t>(k), config,
                   Visibility::gist);
  }
};

Matrix make_matrix(std::string_view pattern, std::int64_t previous, std::int64_t sinks,
                   std::optional<int> levels) {
  core::require(previous >= 0, "inspect", "previous is {}: give 0 or more", previous);
  core::require(sinks >= 0, "inspect", "sinks is {}: give 0 or more", sinks);
  core::require(!levels || (*levels >= 0 && *levels <= kMaxLevels), "inspect",
                "levels is {}: give 0 to {}", levels.value_or(0), kMaxLevels);
  Matrix matrix;
  matrix.names = split_words(pattern);
  const auto length = static_cast<std::int64_t>(matrix.size());
  core::require(length > 0, "inspect",
                "the pattern is empty: give words such as \"s a b g1 c d g2 x\"");
  core::require(length <= kMaxPatternWords, "inspect", "the pattern has {} words: give at most {}",
                length, kMaxPatternWords);

  std::vector<std::int8_t> level;
  for (const std::string& name : matrix.names) level.push_back(level_of(name));
  const auto highest = std::max_element(level.begin(), level.end());
  const auto place = static_cast<std::size_t>(highest - level.begin());
  const int model_levels = levels.value_or(*highest + 1);
  core::require(*highest < model_levels, "inspect",
                "word {} of the pattern, \"{}\", is a gist of level {}, but levels is {}: give at "
                "least {}",
                place + 1, matrix.names[place], int{*highest}, model_levels, *highest + 1);
  matrix.layout =
      make_layout(1, length, model_levels, level, std::vector<std::int32_t>(level.size(), 0));
  matrix.config.chunks.assign(static_cast<std::size_t>(model_levels), 1);
  matrix.config.sinks = sinks;
  matrix.config.previous_chunks = previous;
  matrix.counts = count_row(matrix.layout, 0, matrix.config);
  return matrix;
}

std::string render_text(const Matrix& matrix) {
  std::size_t label = 4;  // of "rope"
  std::size_t column = 2;
  for (std::size_t t = 0; t < matrix.size(); ++t) {
    label = std::max(label, width_of(matrix.names[t]));
    column = std::max({column, width_of(matrix.names[t]), matrix.rope(t).size()});
  }
  ++column;

  std::string text = right_aligned("rope", label) + ' ';
  for (std::size_t t = 0; t < matrix.size(); ++t) text += right_aligned(matrix.rope(t), column);
  text += '\n' + std::string(label + 1, ' ');
  for (const std::string& name : matrix.names) text += right_aligned(name, column);
  text += '\n';
  for (std::size_t q = 0; q < matrix.size(); ++q) {
    text += right_aligned(matrix.names[q], label) + ' ';
    for (std::size_t k = 0; k <= q; ++k) {
      text += right_aligned(matrix.sees(q, k) ? "x" : ".", column);
    }
    text += '\n';
  }
  return text;
}

std::string render_csv(const Matrix& matrix) {
  std::string text = "query,rope";
  for (const std::string& name : matrix.names) text += ',' + csv_field(name);
  text += '\n';
  for (std::size_t q = 0; q < matrix.size(); ++q) {
    text += csv_field(matrix.names[q]) + ',' + matrix.rope(q);
    for (std::size_t k = 0; k < matrix.size(); ++k) text += matrix.sees(q, k) ? ",1" : ",0";
    text += '\n';
  }
  return text;
}

}  // namespace

std::string inspect_visibility(std::string_view pattern, std::int64_t previous, std::int64_t sinks,
                               std::optional<int> levels, InspectFormat format) {
  const Matrix matrix = make_matrix(pattern, previous, sinks, levels);
  return format == InspectFormat::text ? render_text(matrix) : render_csv(matrix);
}

std::string inspect_insertion(const std::vector<std::string>& tokens, const GistConfig& config) {
  core::require(!tokens.empty(), "inspect", "there are no tokens: give some text");
  std::vector<std::uint8_t> starts;
  for (const std::string& token : tokens) starts.push_back(starts_word(token) ? 1 : 0);
  std::string text;
  bool first = true;
  for (const Element& element :
       insert_gists(static_cast<std::int64_t>(tokens.size()), starts, config)) {
    if (!first) text += '|';
    first = false;
    if (element.level < 0) {
      text += tokens[static_cast<std::size_t>(element.raw)];
    } else if (element.level == 0) {
      text += "<g>";
    } else {
      text += '<' + std::string(static_cast<std::size_t>(element.level), 'G') + '>';
    }
  }
  return text;
}

std::vector<std::string> split_tokens(std::string_view joined) {
  core::require(!joined.empty(), "inspect",
                "there are no tokens: give some, separated by |, such as \"The| cat|s\"");
  std::vector<std::string> tokens;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = joined.find('|', begin);
    tokens.emplace_back(joined.substr(begin, end - begin));
    if (end == std::string_view::npos) return tokens;
    begin = end + 1;
  }
}

}  // namespace unfold::gsa
