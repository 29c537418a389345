// Pre-tokenization: cuts text into words before BPE, which merges inside a word only.
//
// The stages are those of tokenizer.json pre-tokenizers; each one cuts the words of the one before.
// All of them keep every byte, save a split that is told to drop what lies between its matches and
// a ByteLevel that is told to add a space. The usual patterns are scanned by hand
// (data/tokenizer/word_scanner.h), the others run in PCRE2.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/regex.h"
#include "data/tokenizer/word_scanner.h"

namespace unfold::data {

// The split of GPT-2: English contractions, then runs of letters, of digits and of other signs,
// each with the space before it, then runs of white space that leave their last space to the next
// word.
inline constexpr std::string_view kGpt2Pattern =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct PreTokenizerStage {
  enum class Kind {
    split,          // Split with a Regex, behaviour Isolated: matches and gaps are words
    split_literal,  // Split with a String, behaviour Isolated
    split_drop,     // Split with a Regex, behaviour Removed, invert: matches are words, gaps vanish
    digits,         // Digits: runs of digits are words
    single_digits,  // Digits with individual_digits: every digit is a word
    byte_level,     // ByteLevel with use_regex: kGpt2Pattern
    bytes_only,     // ByteLevel without use_regex: no cut; names the byte alphabet
  };
  Kind kind = Kind::bytes_only;
  std::string pattern;  // of the three splits, as written in the file
  // ByteLevel: a piece of text that does not begin with a space gets a space in front.
  bool add_prefix_space = false;

  bool operator==(const PreTokenizerStage&) const = default;
};

class PreTokenizer {
 public:
  using Sink = std::function<void(std::string_view word)>;

  // Throws core::UserError for a pattern that does not compile.
  explicit PreTokenizer(std::vector<PreTokenizerStage> stages);

  // Calls sink with the words of `text` (valid UTF-8) in order; no word is empty. Thread-safe with
  // one scratch a thread.
  void split(std::string_view text, RegexScratch& scratch, const Sink& sink) const;

  const std::vector<PreTokenizerStage>& stages() const { return stages_; }

 private:
  struct Cut {
    std::optional<Regex> regex = {};
    bool keep_gaps = true;
    WordScanner scan = nullptr;     // instead of the regex
    bool add_prefix_space = false;  // instead of either
  };
  static Cut cut_of(std::string_view pattern, bool keep_gaps);
  void split_from(std::size_t cut, std::string_view text, RegexScratch& scratch,
                  const Sink& sink) const;

  std::vector<PreTokenizerStage> stages_;
  std::vector<Cut> cuts_;  // of the stages that cut
};

// The stages written by the trainer: Split(kGpt2Pattern), then ByteLevel without a pattern.
std::vector<PreTokenizerStage> default_pre_tokenizer();

}  // namespace unfold::data
