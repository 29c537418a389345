#include "eval/metrics/rouge.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "eval/metrics/python_text.h"

namespace unfold::eval {
namespace {

using Sentence = std::vector<std::int32_t>;  // numbers of words

// Steps from the ends of two sentences to the beginning of one that the package survives: CPython
// allows 1000 frames, and the official scorer has 10 of them in use where the walk begins, or 11
// where the text was cut into Chinese words. Measured with eval.py under CPython 3.11.
constexpr std::size_t kMostSteps = 990;
constexpr std::size_t kMostChineseSteps = 989;

class Words {
 public:
  // A sentence without words has one, the empty word.
  Sentence number(std::u32string_view sentence) {
    Sentence numbers;
    for (const std::u32string_view word : python_split(sentence)) numbers.push_back(of(word));
    if (numbers.empty()) numbers.push_back(of({}));
    return numbers;
  }

 private:
  std::int32_t of(std::u32string_view word) {
    return numbers_.try_emplace(word, static_cast<std::int32_t>(numbers_.size())).first->second;
  }
  std::unordered_map<std::u32string_view, std::int32_t> numbers_;
};

// text must outlive words.
std::vector<Sentence> sentences_of(std::u32string_view text, Words& words) {
  std::vector<Sentence> sentences;
  for (const std::u32string_view piece : split_at(text, U'.')) {
    if (!piece.empty()) sentences.push_back(words.number(piece));
  }
  return sentences;
}

std::size_t distinct_words(const std::vector<Sentence>& sentences) {
  std::unordered_set<std::int32_t> words;
  for (const Sentence& sentence : sentences) words.insert(sentence.begin(), sentence.end());
  return words.size();
}

// Adds the words of a longest common subsequence of x and y: of several the one that a walk from
// the ends finds which, at unequal words, goes back in y unless that is shorter. False when the
// walk takes more than most_steps. Time |x| * |y|; memory most_steps^2, since a longer walk is
// given up.
bool add_common_words(const Sentence& x, const Sentence& y, std::size_t most_steps,
                      std::unordered_set<std::int32_t>& common) {
  if (std::min(x.size(), y.size()) > most_steps) return false;
  enum Step : std::uint8_t { both, back_in_x, back_in_y };
  // Steps of the last rows and columns, which a walk that is not given up stays in.
  const std::size_t first_row = x.size() - std::min(x.size(), most_steps);
  const std::size_t first_column = y.size() - std::min(y.size(), most_steps);
  const std::size_t columns = y.size() - first_column;
  std::vector<Step> steps((x.size() - first_row) * columns);
  std::vector<std::int32_t> above(y.size() + 1, 0), row(y.size() + 1, 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < y.size(); ++j) {
      const Step step = x[i] == y[j] ? both : above[j + 1] > row[j] ? back_in_x : back_in_y;
      row[j + 1] = step == both ? above[j] + 1 : std::max(above[j + 1], row[j]);
      if (i >= first_row && j >= first_column) {
        steps[(i - first_row) * columns + j - first_column] = step;
      }
    }
    above.swap(row);
  }
  std::size_t i = x.size();
  std::size_t j = y.size();
  std::vector<std::int32_t> walked;
  for (std::size_t step = 0; i > 0 && j > 0; ++step) {
    if (step == most_steps) return false;
    const Step taken = steps[(i - 1 - first_row) * columns + (j - 1 - first_column)];
    if (taken == both) walked.push_back(x[i - 1]);
    if (taken != back_in_y) --i;
    if (taken != back_in_x) --j;
  }
  common.insert(walked.begin(), walked.end());
  return true;
}

double score(std::u32string_view prediction, std::u32string_view answer, std::size_t most_steps) {
  Words words;
  const std::vector<Sentence> predicted = sentences_of(prediction, words);
  const std::vector<Sentence> wanted = sentences_of(answer, words);
  if (predicted.empty() || wanted.empty()) return 0;
  std::unordered_set<std::int32_t> common;
  for (const Sentence& reference : wanted) {
    for (const Sentence& sentence : predicted) {
      if (!add_common_words(reference, sentence, most_steps, common)) return 0;
    }
  }
  const auto shared = static_cast<double>(common.size());
  const double recall = shared / static_cast<double>(distinct_words(wanted));
  const double precision = shared / static_cast<double>(distinct_words(predicted));
  return 2.0 * ((precision * recall) / (precision + recall + 1e-8));
}

std::u32string spaced_words(const ChineseWords& words, std::string_view utf8) {
  const std::u32string text = to_code_points(utf8);
  std::u32string spaced;
  bool first = true;
  for (const std::u32string_view word : words.cut(text)) {
    if (!first) spaced += U' ';
    spaced += word;
    first = false;
  }
  return spaced;
}

}  // namespace

double rouge_l(std::string_view prediction, std::string_view answer) {
  return score(to_code_points(prediction), to_code_points(answer), kMostSteps);
}

double chinese_rouge_l(const ChineseWords& words, std::string_view prediction,
                       std::string_view answer) {
  return score(spaced_words(words, prediction), spaced_words(words, answer), kMostChineseSteps);
}

}  // namespace unfold::eval
