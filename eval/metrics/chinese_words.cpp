#include "eval/metrics/chinese_words.h"

#include <algorithm>

#include "eval/metrics/python_text.h"

namespace unfold::eval {
namespace {

bool is_ascii_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

bool is_latin(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_ascii_digit(c);
}

// What the dictionary is asked about; everything else stands by itself.
bool is_in_block(char32_t c) {
  return is_han(c) || is_latin(c) ||
         std::u32string_view(U"+#&._%-").find(c) != std::u32string_view::npos;
}

// The end of letters and digits that begin at `at`, with a decimal fraction and a percent sign.
std::size_t end_of_latin(std::u32string_view text, std::size_t at) {
  const auto skip = [&](std::size_t from, auto wanted) {
    while (from < text.size() && wanted(text[from])) ++from;
    return from;
  };
  std::size_t end = skip(at, is_latin);
  if (end + 1 < text.size() && text[end] == U'.' && is_ascii_digit(text[end + 1])) {
    end = skip(end + 1, is_ascii_digit);
  }
  return end < text.size() && text[end] == U'%' ? end + 1 : end;
}

}  // namespace

std::vector<std::u32string_view> ChineseWords::cut(std::u32string_view text) const {
  std::vector<std::u32string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && is_in_block(text[at])) ++at;
    if (at > begin) {
      cut_block(text.substr(begin, at - begin), words);
      continue;
    }
    const std::size_t size = text.substr(at, 2) == U"\r\n" ? 2 : 1;
    words.push_back(text.substr(at, size));
    at += size;
  }
  return words;
}

void ChineseWords::cut_block(std::u32string_view block,
                             std::vector<std::u32string_view>& words) const {
  // The likeliest way to the end from every character: its score and the end of its first word.
  struct Way {
    double score = 0;
    std::size_t end = 0;
  };
  std::vector<Way> ways(block.size() + 1);
  for (std::size_t begin = block.size(); begin-- > 0;) {
    WordTree::Node node = tree_.child(WordTree::kRoot, block[begin]);
    // A character that begins no word is one itself.
    Way best = {tree_.log_share(node) + ways[begin + 1].score, begin + 1};
    bool any = false;
    for (std::size_t end = begin + 1; node != WordTree::kRoot; ++end) {
      if (tree_.is_word(node)) {
        const double score = tree_.log_share(node) + ways[end].score;
        if (!any || score >= best.score) best = {score, end};
        any = true;
      }
      if (end == block.size()) break;
      node = tree_.child(node, block[end]);
    }
    ways[begin] = best;
  }
  // Single characters in a row may be a word that the dictionary lacks.
  std::size_t single = 0;  // where the row begins
  const auto end_row = [&](std::size_t end) {
    const std::u32string_view row = block.substr(single, end - single);
    if (row.size() > 1 && !tree_.contains(row)) {
      cut_unknown(row, words);
    } else {
      for (std::size_t i = 0; i < row.size(); ++i) words.push_back(row.substr(i, 1));
    }
  };
  for (std::size_t at = 0; at < block.size();) {
    const std::size_t end = ways[at].end;
    if (end > at + 1) {
      end_row(at);
      words.push_back(block.substr(at, end - at));
      single = end;
    }
    at = end;
  }
  end_row(block.size());
}

void ChineseWords::cut_unknown(std::u32string_view run,
                               std::vector<std::u32string_view>& words) const {
  for (std::size_t at = 0; at < run.size();) {
    const std::size_t begin = at;
    if (is_han(run[at])) {
      while (at < run.size() && is_han(run[at])) ++at;
      cut_by_tags(tables_, run.substr(begin, at - begin), words);
      continue;
    }
    if (is_latin(run[at])) {
      at = end_of_latin(run, at);
    } else {
      while (at < run.size() && !is_han(run[at]) && !is_latin(run[at])) ++at;
    }
    words.push_back(run.substr(begin, at - begin));
  }
}

}  // namespace unfold::eval
