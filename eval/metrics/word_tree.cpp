#include "eval/metrics/word_tree.h"

#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "data/counter_random.h"
#include "data/text.h"
#include "eval/metrics/python_text.h"

namespace unfold::eval {
namespace {

constexpr std::string_view kTag = "jieba";
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
constexpr std::string_view kAsciiSpaces = " \t\n\r\x0b\x0c";

std::uint64_t key_of(WordTree::Node prefix, char32_t c) {
  return std::uint64_t{prefix} << 21 | c;
}

std::string_view trimmed(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(kAsciiSpaces);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kAsciiSpaces) + 1 - begin);
}

void add_line(std::string_view line, WordTree& tree, const std::string& place) {
  const std::size_t space = line.find(' ');
  const std::string_view rest = space == line.npos ? "" : line.substr(space + 1);
  const std::string_view number = rest.substr(0, rest.find(' '));
  std::int64_t frequency = -1;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), frequency);
  core::require(space != line.npos && space > 0 && error == std::errc() &&
                    end == number.data() + number.size() && frequency >= 0 &&
                    frequency <= WordTree::kMostFrequent &&
                    line.substr(0, space).find('\0') == line.npos,
                kTag, "{}: expected a word and its frequency: give jieba's own dictionary", place);
  tree.add(to_code_points(line.substr(0, space)), frequency);
}

}  // namespace

WordTree::WordTree() : slots_(std::size_t{1} << 12), frequencies_{0} {}

std::size_t WordTree::slot_of(std::uint64_t key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = data::mix64(key) & mask;
  while (slots_[at].key != 0 && slots_[at].key != key) at = (at + 1) & mask;
  return at;
}

void WordTree::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.key != 0) slots_[slot_of(slot.key)] = slot;
  }
}

WordTree::Node WordTree::add_child(Node prefix, char32_t c) {
  const std::uint64_t key = key_of(prefix, c);
  std::size_t at = slot_of(key);
  if (slots_[at].key == key) return slots_[at].node;
  core::require(frequencies_.size() < kMostNodes, kTag,
                "the dictionary has more than {} prefixes of words: give jieba's own", kMostNodes);
  if (frequencies_.size() * 2 >= slots_.size()) {
    grow();
    at = slot_of(key);
  }
  const Node node = static_cast<Node>(frequencies_.size());
  slots_[at] = {key, node};
  frequencies_.push_back(0);
  return node;
}

void WordTree::add(std::u32string_view word, std::int64_t frequency) {
  Node node = kRoot;
  for (const char32_t c : word) node = add_child(node, c);
  frequencies_[node] = frequency;
  total_ += frequency;
}

void WordTree::finish() {
  core::require(total_ > 0, kTag, "the dictionary has no word: give jieba's own");
  const double log_total = std::log(static_cast<double>(total_));
  log_shares_.reserve(frequencies_.size());
  for (const std::int64_t frequency : frequencies_) {
    log_shares_.push_back(std::log(frequency > 0 ? static_cast<double>(frequency) : 1.0) -
                          log_total);
  }
}

WordTree::Node WordTree::child(Node prefix, char32_t c) const {
  return c == 0 ? kRoot : slots_[slot_of(key_of(prefix, c))].node;
}

bool WordTree::contains(std::u32string_view word) const {
  Node node = kRoot;
  for (const char32_t c : word) {
    node = child(node, c);
    if (node == kRoot) return false;
  }
  return is_word(node);
}

WordTree read_word_tree(const std::filesystem::path& file) {
  const std::string text = core::read_text_file(file, kMostBytes);
  WordTree tree;
  std::int64_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    const std::string place = fmt::format("{}:{}", file.string(), ++number);
    core::require(data::find_invalid_utf8(line) == line.npos, kTag,
                  "{}: not UTF-8: give jieba's own dictionary", place);
    add_line(line, tree, place);
  }
  tree.finish();
  return tree;
}

}  // namespace unfold::eval
