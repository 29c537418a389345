// Lists of words of which some are more frequent than others.
#include <fmt/core.h>

#include <algorithm>
#include <numbers>
#include <span>

#include "core/error.h"
#include "eval/probes/generator.h"
#include "eval/probes/haystack.h"

namespace unfold::eval::probes {
namespace {

constexpr std::int64_t kCommon = 10;  // words asked for
// As RULER: common words occur 30 times and others 3 times in contexts this long, else 6 times and
// once. (A tokenizer of bytes may have no room for the former; then it is the latter.)
constexpr std::int64_t kLongContext = 4096;
// A context this long has room for an example in front, as RULER gives one.
constexpr std::int64_t kExampleFrom = 2048;

std::string common_question() {
  return fmt::format("Which {} words occur most often in the list above?", kCommon);
}

std::string numbered(const std::vector<std::string_view>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += ' ';
    text += fmt::format("{}. {}", i + 1, words[i]);
  }
  return text;
}

// A list of `size` words: the first ten of `words` with `common` occurrences each, the others with
// `rare` each, the last of them with what is left; all shuffled. Where the words run out, both
// frequencies grow, and keep their ratio.
std::vector<std::string_view> draw_list(std::int64_t size, std::int64_t common, std::int64_t rare,
                                        std::span<const std::string_view> words,
                                        data::CounterRandom random) {
  const auto others = static_cast<std::int64_t>(words.size()) - kCommon;
  for (std::int64_t factor = 2, c = common, r = rare; size > kCommon * common + others * rare;
       ++factor) {
    common = factor * c;
    rare = factor * r;
  }
  std::vector<std::string_view> list;
  for (std::int64_t i = 0; i < kCommon * common; ++i) {
    list.push_back(words[static_cast<std::size_t>(i % kCommon)]);
  }
  for (std::int64_t i = 0; static_cast<std::int64_t>(list.size()) < size; ++i) {
    list.push_back(words[static_cast<std::size_t>(kCommon + i / rare)]);
  }
  random.shuffle(std::span(list));
  return list;
}

std::string frequent_text(std::int64_t size, const std::vector<std::string>& words,
                          data::CounterRandom random) {
  // Rank k of the zeta distribution with exponent 2.
  constexpr double kZeta2 = std::numbers::pi * std::numbers::pi / 6;
  std::vector<std::string_view> list;
  for (std::size_t rank = 1; rank <= words.size(); ++rank) {
    const double share = 1 / (kZeta2 * static_cast<double>(rank * rank));
    const auto times = static_cast<std::int64_t>(static_cast<double>(size) * share);
    if (times == 0) break;
    list.insert(list.end(), static_cast<std::size_t>(times), words[rank - 1]);
  }
  random.shuffle(std::span(list));
  std::string text;
  for (const std::string_view word : list) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

}  // namespace

ProbeSample make_common_words(const Request& request) {
  const std::int64_t tokens = request.options.context_tokens;
  data::CounterRandom random = request.random(Request::Stream::facts);
  std::array<std::string_view, kNouns> words = nouns();
  random.shuffle(std::span<std::string_view>(words));

  ProbeSample sample;
  sample.instruction =
      "Below is a numbered list of words. Some of them occur more often than others. Keep in mind "
      "those that occur most often.\n\n";
  auto available = std::span<const std::string_view>(words);
  if (tokens >= kExampleFrom) {
    // The words of the example are not those of the list.
    const auto example = available.last(20);
    available = available.first(available.size() - example.size());
    std::vector<std::string> top;
    for (std::int64_t i = 0; i < kCommon; ++i) {
      top.push_back(fmt::format("{}. {}", i + 1, example[static_cast<std::size_t>(i)]));
    }
    std::string answer;
    for (const std::string& item : top) answer += " " + item;
    sample.instruction += fmt::format(
        "An example:\n{}\nQuestion: {}\nAnswer: The {} words are:{}\n\nThe list to be asked "
        "about:\n",
        numbered(draw_list(kCommon * 4, 3, 1, example, request.random(Request::Stream::filler, 1))),
        common_question(), kCommon, answer);
  }
  // Occurrences of the common words and of the others.
  const auto fill = [&](std::int64_t common, std::int64_t rare) {
    // At least as many others as there are common words, else nothing is rare.
    const std::int64_t least = kCommon * (common + rare);
    const auto text_of = [&](std::int64_t more) {
      return numbered(draw_list(least + more, common, rare, available,
                                request.random(Request::Stream::filler)));
    };
    const std::int64_t more = largest_fitting(tokens, tokens, [&](std::int64_t n) {
      return request.count(sample.instruction + text_of(n));
    });
    if (more >= 0) sample.segments = {text_of(more)};
    return more >= 0;
  };
  core::require((tokens >= kLongContext && fill(30, 3)) || fill(6, 1), kTag,
                "a context of {} tokens does not hold a list of {} words: ask for more", tokens,
                kCommon * 7);
  sample.question = common_question();
  sample.cue = fmt::format("The {} words are:", kCommon);
  sample.answers.assign(available.begin(), available.begin() + kCommon);
  return sample;
}

ProbeSample make_frequent_words(const Request& request) {
  const std::int64_t tokens = request.options.context_tokens;
  constexpr std::size_t kAsked = 3;
  data::CounterRandom random = request.random(Request::Stream::facts);
  // As RULER: the vocabulary grows with the context, the likeliest word is noise.
  std::vector<std::string> words =
      draw_codes(std::max<std::size_t>(20, static_cast<std::size_t>(tokens / 50)), random);
  words.front() = "...";

  ProbeSample sample;
  sample.instruction =
      "Below is a text of coded words. Keep track of how often each of them occurs; the dots are "
      "no words.\n\n";
  const auto text_of = [&](std::int64_t size) {
    return frequent_text(size, words, request.random(Request::Stream::filler));
  };
  // From this size on, the first three words and those behind them differ in number.
  constexpr std::int64_t kLeast = 60;
  const std::int64_t more = largest_fitting(tokens, tokens, [&](std::int64_t n) {
    return request.count(sample.instruction + text_of(kLeast + n));
  });
  core::require(more >= 0, kTag,
                "a context of {} tokens does not hold {} coded words: ask for more", tokens,
                kLeast);
  sample.segments = {text_of(kLeast + more)};
  sample.question = "Which three coded words occur most often in the text above?";
  sample.cue = "The three words that occur most often are";
  sample.answers.assign(words.begin() + 1, words.begin() + 1 + kAsked);
  return sample;
}

}  // namespace unfold::eval::probes
