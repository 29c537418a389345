// Word counter: how often each pre-tokenized word occurs, which is all that BPE training looks at.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/pre_tokenizer.h"

namespace unfold::data {

struct WordCount {
  std::string word;
  std::int64_t count;
  bool operator==(const WordCount&) const = default;
};

// Counts batches of text on several threads. The result depends on the sequence of batches only,
// never on the number of threads.
//
// Memory is bounded: words beyond kMaxWordBytes are counted in parts, and when more than max_words
// distinct words are known after a batch, the rarest are forgotten until half of that remains.
class WordCounter {
 public:
  static constexpr std::size_t kMaxWordBytes = 256;
  static constexpr std::size_t kDefaultMaxWords = std::size_t{4} << 20;

  // Text that spells one of `special` is not counted. threads > 0.
  WordCounter(const PreTokenizer& pre_tokenizer, const std::vector<AddedToken>& special,
              int threads, std::size_t max_words = kDefaultMaxWords);

  // Texts are valid UTF-8.
  void add(std::span<const std::string> texts);

  // All words, sorted by their bytes.
  std::vector<WordCount> counts() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>()(word);
    }
  };
  using Table = std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;

  void count_text(std::string_view text, RegexScratch& scratch, Table& table) const;
  void forget_rare();

  const PreTokenizer& pre_tokenizer_;
  AddedTokenFinder finder_;
  int threads_;
  std::size_t max_words_;
  Table table_;
};

}  // namespace unfold::data
