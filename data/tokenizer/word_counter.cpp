#include "data/tokenizer/word_counter.h"

#include <algorithm>
#include <atomic>
#include <future>

#include "core/error.h"

namespace unfold::data {

WordCounter::WordCounter(const PreTokenizer& pre_tokenizer, const std::vector<AddedToken>& special,
                         int threads, std::size_t max_words)
    : pre_tokenizer_(pre_tokenizer), finder_(special), threads_(threads), max_words_(max_words) {
  core::check(threads > 0, "tokenizer", "{} threads", threads);
}

void WordCounter::add(std::span<const std::string> texts) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    RegexScratch scratch;
    Table table;
    for (std::size_t i = next++; i < texts.size(); i = next++) count_text(texts[i], scratch, table);
    return table;
  };
  std::vector<std::future<Table>> workers;
  for (int i = 1; i < threads_; ++i) workers.push_back(std::async(std::launch::async, work));
  std::vector<Table> tables;
  tables.push_back(work());
  for (std::future<Table>& worker : workers) tables.push_back(worker.get());
  for (const Table& table : tables) {
    for (const auto& [word, count] : table) table_[word] += count;
  }
  if (table_.size() > max_words_) forget_rare();
}

void WordCounter::count_text(std::string_view text, RegexScratch& scratch, Table& table) const {
  const auto count_word = [&](std::string_view word) {
    while (!word.empty()) {
      const std::string_view part = word.substr(0, kMaxWordBytes);
      const auto known = table.find(part);
      if (known != table.end()) {
        ++known->second;
      } else {
        table.emplace(part, 1);
      }
      word.remove_prefix(part.size());
    }
  };
  std::size_t done = 0;
  while (const auto hit = finder_.find(text, done)) {
    pre_tokenizer_.split(text.substr(done, hit->begin - done), scratch, count_word);
    done = hit->begin + hit->size;
  }
  pre_tokenizer_.split(text.substr(done), scratch, count_word);
}

void WordCounter::forget_rare() {
  std::vector<std::int64_t> sorted;
  sorted.reserve(table_.size());
  for (const auto& [word, count] : table_) sorted.push_back(count);
  // All words of one count go together, so that the choice does not hang on the order of the table.
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() - max_words_ / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const std::int64_t threshold = *middle;
  std::erase_if(table_, [&](const auto& entry) { return entry.second <= threshold; });
}

std::vector<WordCount> WordCounter::counts() const {
  std::vector<WordCount> list;
  list.reserve(table_.size());
  for (const auto& [word, count] : table_) list.push_back({word, count});
  std::sort(list.begin(), list.end(),
            [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
  return list;
}

}  // namespace unfold::data
