// A dictionary of words with their frequencies, as a tree of prefixes: walking it character by
// character tells at once whether any word goes on like this.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace unfold::eval {

class WordTree {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;  // the empty prefix; also: no such node

  WordTree();

  // frequency: 0 up to kMostFrequent; 0 makes the word a mere prefix. A word that comes again takes
  // the new frequency, though the sum keeps the old one too. Throws core::UserError when the tree
  // grows beyond kMostNodes.
  void add(std::u32string_view word, std::int64_t frequency);
  // To be called once, behind the last add(). Throws core::UserError when all frequencies are 0.
  void finish();

  // The node of prefix + c, kRoot when no word begins so.
  Node child(Node prefix, char32_t c) const;
  bool is_word(Node node) const { return frequencies_[node] > 0; }
  // ln(frequency / sum of all) of the word; a mere prefix, as kRoot, counts as of frequency 1.
  double log_share(Node node) const { return log_shares_[node]; }
  bool contains(std::u32string_view word) const;

  static constexpr std::int64_t kMostFrequent = 1'000'000'000;
  static constexpr std::size_t kMostNodes = std::size_t{1} << 23;

 private:
  struct Slot {
    std::uint64_t key = 0;  // parent and character; 0 is none, as no character is U+0000 here
    Node node = 0;
  };
  // The slot that holds the key, or the free one where it belongs.
  std::size_t slot_of(std::uint64_t key) const;
  Node add_child(Node prefix, char32_t c);
  void grow();

  std::vector<Slot> slots_;  // open addressing; a power of two, at most half full
  std::vector<std::int64_t> frequencies_;
  std::vector<double> log_shares_;
  std::int64_t total_ = 0;
};

// Reads a file of lines "word frequency" or "word frequency tag", as dict.txt of jieba and
// jieba.dict.utf8 of cppjieba. Throws core::UserError with file and line.
WordTree read_word_tree(const std::filesystem::path& file);

}  // namespace unfold::eval
