#include "eval/probes/haystack.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"
#include "data/synthetic/generator.h"
#include "eval/probes/generator.h"

namespace unfold::eval::probes {
namespace {

// From long to short, so that any gap closes but for the last few tokens.
constexpr std::array<std::string_view, 9> kClosing = {
    "Nobody could say afterwards how long all of this had gone on, or who had begun it.",
    "It had been a long day for everyone, and there was little left to say.",
    "Most of them had seen it before and would see it again.",
    "There was nothing more to be done about it.",
    "And so the evening went by.",
    "It was getting late.",
    "Time passed.",
    "So be it.",
    "Yes.",
};

constexpr std::size_t kParagraph = 6;

// Sentences with the needles in place. Depth is a share of the bytes of filler: its tokens are
// alike all over.
std::string join(const std::vector<std::string>& filler, std::size_t used,
                 const std::vector<Needle>& needles, const std::string& closing) {
  std::size_t total = closing.size();
  for (std::size_t i = 0; i < used; ++i) total += filler[i].size() + 1;
  std::string text;
  text.reserve(total + 256 * needles.size());
  std::size_t sentences = 0;
  const auto add = [&](std::string_view sentence) {
    if (sentences > 0) text += sentences % kParagraph == 0 ? '\n' : ' ';
    text += sentence;
    ++sentences;
  };
  std::size_t before = 0;  // bytes of filler
  auto next = needles.begin();
  for (std::size_t i = 0; i < used; ++i) {
    // Where the depth lies inside this sentence, the nearer end is taken.
    const double middle =
        static_cast<double>(before) + 0.5 * static_cast<double>(filler[i].size() + 1);
    for (; next != needles.end() && next->depth * static_cast<double>(total) < middle; ++next) {
      add(next->text);
    }
    add(filler[i]);
    before += filler[i].size() + 1;
  }
  if (next == needles.end()) return text + closing;
  // The needles of the end stand behind everything.
  text += text.empty() && !closing.empty() ? closing.substr(1) : closing;
  sentences += closing.empty() ? 0 : 1;
  for (; next != needles.end(); ++next) add(next->text);
  return text;
}

}  // namespace

std::int64_t largest_fitting(std::int64_t limit, std::int64_t most,
                             const std::function<std::int64_t(std::int64_t)>& tokens_of) {
  std::int64_t low = 0;
  const std::int64_t empty = tokens_of(0);
  if (empty > limit) return -1;
  std::int64_t low_tokens = empty;
  std::int64_t high = std::min(most, limit - empty) + 1;  // does not fit, or is not to be tried
  std::int64_t next = 16;
  double item = 0;  // tokens, as far as known
  while (high - low > 1) {
    next = std::clamp(next, low + 1, high - 1);
    const std::int64_t tokens = tokens_of(next);
    item = static_cast<double>(tokens - empty) / static_cast<double>(next);
    if (tokens <= limit) {
      low = next;
      low_tokens = tokens;
    } else {
      high = next;
    }
    const double more = static_cast<double>(limit - low_tokens) / std::max(item, 1e-9);
    next = std::min(high - 1, low + std::max<std::int64_t>(1, static_cast<std::int64_t>(more)));
  }
  return low;
}

std::string closing_sentences(std::int64_t limit, const TokenCounter& count,
                              const std::function<std::int64_t(const std::string&)>& tokens_of) {
  std::string closing;
  std::int64_t room = limit - tokens_of(closing);
  for (const std::string_view sentence : kClosing) {
    const std::string more = " " + std::string(sentence);
    // A sentence by itself has about the tokens it adds; the whole decides.
    while (count(more) <= room) {
      const std::int64_t left = limit - tokens_of(closing + more);
      if (left < 0) break;
      closing += more;
      room = left;
    }
  }
  return closing;
}

std::string fill_haystack(std::string_view opening, std::vector<Needle> needles,
                          std::int64_t tokens, const TokenCounter& count,
                          data::CounterRandom random) {
  std::stable_sort(needles.begin(), needles.end(),
                   [](const Needle& a, const Needle& b) { return a.depth < b.depth; });
  std::vector<std::string> filler;
  const auto compose = [&](std::size_t sentences, const std::string& closing) {
    while (filler.size() < sentences) {
      filler.push_back(data::synthetic::filler_sentence(random));
    }
    return join(filler, sentences, needles, closing);
  };
  const auto tokens_of = [&](std::size_t sentences, const std::string& closing) {
    return count(std::string(opening) + compose(sentences, closing));
  };
  const std::int64_t sentences =
      largest_fitting(tokens, std::numeric_limits<std::int64_t>::max() - 1,
                      [&](std::int64_t n) { return tokens_of(static_cast<std::size_t>(n), ""); });
  core::require(sentences >= 0, kTag,
                "a context of {} tokens does not hold what is to be found in it: ask for more",
                tokens);
  const auto used = static_cast<std::size_t>(sentences);
  const std::string closing = closing_sentences(
      tokens, count, [&](const std::string& text) { return tokens_of(used, text); });
  return compose(used, closing);
}

}  // namespace unfold::eval::probes
