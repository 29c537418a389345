#include "data/tokenizer/bpe_trainer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <queue>
#include <tuple>
#include <unordered_map>

#include "core/error.h"
#include "data/text.h"
#include "data/tokenizer/byte_alphabet.h"

namespace unfold::data {
namespace {

constexpr std::string_view kTag = "tokenizer";
constexpr std::int64_t kLargestVocab = std::int64_t{1} << 20;
constexpr std::int64_t kProgressEvery = 256;

std::uint64_t key_of(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

// One distinct word: symbols [begin, begin + size) of the shared array; merging shortens it in
// place.
struct Word {
  std::size_t begin;
  std::size_t size;
  std::int64_t count;
};

struct Pair {
  std::int64_t count = 0;
  std::vector<std::uint32_t> words;  // that held it when it arose; may be stale or repeated
};

struct Candidate {
  std::int64_t count;
  std::uint64_t key;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : key > other.key;
  }
};

class Trainer {
 public:
  explicit Trainer(std::span<const WordCount> counts);

  // The most frequent pair, or nothing when none occurs min_count times.
  std::optional<BpeMerge> best_pair(std::int64_t min_count);
  // Replaces the pair by `merged` in all words.
  void apply(const BpeMerge& merge, TokenId merged);

 private:
  void rewrite(std::uint32_t index, const BpeMerge& merge, TokenId merged);

  std::vector<TokenId> symbols_;
  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, Pair> pairs_;
  // Counts as of some earlier moment. Every pair has an entry at least as high as its count:
  // entries are pushed when a count grows, and corrected when they come to the top.
  std::priority_queue<Candidate> queue_;
  std::vector<std::uint64_t> grown_;
};

Trainer::Trainer(std::span<const WordCount> counts) {
  core::check(counts.size() < std::numeric_limits<std::uint32_t>::max(), kTag, "{} words",
              counts.size());
  words_.reserve(counts.size());
  for (const auto& [word, count] : counts) {
    words_.push_back({symbols_.size(), word.size(), count});
    for (const char c : word) symbols_.push_back(static_cast<unsigned char>(c));
  }
  for (std::uint32_t index = 0; index < words_.size(); ++index) {
    const Word& word = words_[index];
    for (std::size_t i = word.begin; i + 1 < word.begin + word.size; ++i) {
      Pair& pair = pairs_[key_of(symbols_[i], symbols_[i + 1])];
      pair.count += word.count;
      if (pair.words.empty() || pair.words.back() != index) pair.words.push_back(index);
    }
  }
  for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
}

std::optional<BpeMerge> Trainer::best_pair(std::int64_t min_count) {
  while (!queue_.empty() && queue_.top().count >= min_count) {
    const Candidate top = queue_.top();
    const auto pair = pairs_.find(top.key);
    const std::int64_t count = pair == pairs_.end() ? 0 : pair->second.count;
    if (count == top.count) {
      return BpeMerge{static_cast<TokenId>(top.key >> 32),
                      static_cast<TokenId>(top.key & 0xFFFFFFFFU)};
    }
    queue_.pop();
    if (count == 0 && pair != pairs_.end()) pairs_.erase(pair);
    // A count above the entry has an entry of its own.
    if (count > 0 && count < top.count) queue_.push({count, top.key});
  }
  return std::nullopt;
}

void Trainer::apply(const BpeMerge& merge, TokenId merged) {
  const auto pair = pairs_.find(key_of(merge.left, merge.right));
  std::vector<std::uint32_t> words = std::move(pair->second.words);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  grown_.clear();
  for (const std::uint32_t index : words) rewrite(index, merge, merged);
  std::sort(grown_.begin(), grown_.end());
  grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
  for (const std::uint64_t key : grown_) queue_.push({pairs_[key].count, key});
}

void Trainer::rewrite(std::uint32_t index, const BpeMerge& merge, TokenId merged) {
  Word& word = words_[index];
  TokenId* symbols = symbols_.data() + word.begin;
  const auto matches = [&](std::size_t i) {
    return i + 1 < word.size && symbols[i] == merge.left && symbols[i + 1] == merge.right;
  };
  std::size_t first = 0;
  while (first + 1 < word.size && !matches(first)) ++first;
  if (!matches(first)) return;
  // Pairs before the first match, but for the one that touches it, stay as they are.
  const std::size_t from = first > 0 ? first - 1 : 0;
  for (std::size_t i = from; i + 1 < word.size; ++i) {
    pairs_.find(key_of(symbols[i], symbols[i + 1]))->second.count -= word.count;
  }
  std::size_t size = first;
  for (std::size_t i = first; i < word.size; ++size) {
    const bool match = matches(i);
    symbols[size] = match ? merged : symbols[i];
    i += match ? 2 : 1;
  }
  word.size = size;
  for (std::size_t i = from; i + 1 < size; ++i) {
    const std::uint64_t key = key_of(symbols[i], symbols[i + 1]);
    Pair& pair = pairs_[key];
    pair.count += word.count;
    if (symbols[i] != merged && symbols[i + 1] != merged) continue;
    if (pair.words.empty() || pair.words.back() != index) pair.words.push_back(index);
    grown_.push_back(key);
  }
}

void add_special(TokenizerSpec& spec, const std::string& text) {
  core::require(!text.empty() && find_invalid_utf8(text) == std::string_view::npos, kTag,
                "a special token is empty or not UTF-8: give it a name like <|user|>");
  const bool repeated = std::any_of(spec.added.begin(), spec.added.end(),
                                    [&](const AddedToken& other) { return other.text == text; });
  core::require(!repeated, kTag, "special token '{}' is given twice: name each one once", text);
  // In the file both kinds of token are keys of one object: no ordinary token may be spelled alike.
  const std::optional<std::string> bytes = from_byte_alphabet(text);
  core::require(
      !bytes || (*bytes == text && text.size() > 1), kTag,
      "special token '{}' could be taken for an ordinary one: give it a name like <|user|>", text);
  const auto id = static_cast<TokenId>(spec.tokens.size());
  spec.tokens.push_back(text);
  spec.added.push_back({id, text, true});
}

}  // namespace

TokenizerSpec start_spec(const BpeTrainOptions& options) {
  TokenizerSpec spec = byte_spec();
  for (const std::string& text : options.special_tokens) {
    if (text != kEndOfText) add_special(spec, text);
  }
  const auto least = static_cast<std::int64_t>(spec.tokens.size());
  core::require(options.vocab_size >= least && options.vocab_size <= kLargestVocab, kTag,
                "vocabulary of {} entries: choose {} (bytes and special tokens) to {}",
                options.vocab_size, least, kLargestVocab);
  return spec;
}

TokenizerSpec train_bpe(std::span<const WordCount> words, const BpeTrainOptions& options,
                        const std::function<void(std::int64_t, std::int64_t)>& progress) {
  core::check(options.min_count > 0, kTag, "min_count {}", options.min_count);
  TokenizerSpec spec = start_spec(options);
  std::unordered_map<std::string, TokenId> ids;  // of ordinary tokens, by bytes
  for (TokenId byte = 0; byte < 256; ++byte) {
    ids.emplace(spec.tokens[static_cast<std::size_t>(byte)], byte);
  }
  Trainer trainer(words);
  const auto wanted = static_cast<std::size_t>(options.vocab_size);
  while (spec.tokens.size() < wanted) {
    const std::optional<BpeMerge> merge = trainer.best_pair(options.min_count);
    if (!merge) break;
    const std::string bytes = spec.tokens[static_cast<std::size_t>(merge->left)] +
                              spec.tokens[static_cast<std::size_t>(merge->right)];
    const auto [entry, fresh] = ids.emplace(bytes, static_cast<TokenId>(spec.tokens.size()));
    if (fresh) spec.tokens.push_back(bytes);
    spec.merges.push_back(*merge);
    trainer.apply(*merge, entry->second);
    const auto done = static_cast<std::int64_t>(spec.tokens.size());
    if (progress && fresh && done % kProgressEvery == 0) progress(done, options.vocab_size);
  }
  return spec;
}

}  // namespace unfold::data
