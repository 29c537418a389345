// Chinese text cut into words as jieba 0.42.1 does (cut, accurate mode, with its hidden Markov
// model), which LongBench's Chinese metrics stand on.
//
// The dictionary and the tables are jieba's own files, read when needed: Unfold ships none.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/metrics/word_tagger.h"
#include "eval/metrics/word_tree.h"

namespace unfold::eval {

class ChineseWords {
 public:
  ChineseWords(WordTree tree, TaggerTables tables)
      : tree_(std::move(tree)), tables_(std::move(tables)) {}

  // Words in order, views into text: together they are the whole text. White space and signs are
  // words of one character ("\r\n" is one); Latin letters and digits in a row are one word, unless
  // the dictionary knows better. Of equally likely ways to cut, that with the longer first word.
  std::vector<std::u32string_view> cut(std::u32string_view text) const;

 private:
  void cut_block(std::u32string_view block, std::vector<std::u32string_view>& words) const;
  void cut_unknown(std::u32string_view run, std::vector<std::u32string_view>& words) const;

  WordTree tree_;
  TaggerTables tables_;
};

// The files in a folder of jieba (dict.txt, finalseg/prob_*.py: the Python package, Debian's
// python3-jieba) or in a dict folder of cppjieba (jieba.dict.utf8, hmm_model.utf8: 66 words fewer
// and rounded tables, so that a few words are cut otherwise). Empty: the folder that the
// environment variable UNFOLD_JIEBA names, else the first of the places set when Unfold was built.
// Read once and shared while anyone holds it.
//
// Throws core::UserError: a folder without these files, none found, files that cannot be read.
std::shared_ptr<const ChineseWords> load_chinese_words(const std::filesystem::path& folder = {});

}  // namespace unfold::eval
