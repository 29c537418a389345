// Rouge-L of summaries as the Python package rouge 1.0.1 gives it, which LongBench takes: F of the
// union of the longest common subsequences (Lin 2004), over sets of words.
#pragma once

#include <string_view>

#include "eval/metrics/chinese_words.h"

namespace unfold::eval {

// prediction and answer are UTF-8; in [0, 1]. Sentences end at every "." and words at white space;
// case and punctuation count. 0 when a text has no sentence, and when the package gives up: it
// walks back through a pair of sentences one call deeper a word, and Python stops it a thousand
// calls deep.
double rouge_l(std::string_view prediction, std::string_view answer);

// The same over the words of Chinese text, whose sentences do not end at U+3002.
double chinese_rouge_l(const ChineseWords& words, std::string_view prediction,
                       std::string_view answer);

}  // namespace unfold::eval
