// Metrics of short answers: token F1, exact match, best-subspan match.
//
// prediction and answer are UTF-8 (bytes that are not become U+FFFD); scores are in [0, 1]. F1 is
// LongBench's (THUDM/LongBench, metrics.py), which is SQuAD's; best-subspan match is that of Liu et
// al. 2023, "Lost in the Middle".
#pragma once

#include <string_view>

#include "eval/metrics/chinese_words.h"

namespace unfold::eval {

// Harmonic mean of precision and recall over the words of the normalised texts, as bags; 0 when
// they share none.
double answer_f1(std::string_view prediction, std::string_view answer);

// The same over the words of Chinese text.
double chinese_answer_f1(const ChineseWords& words, std::string_view prediction,
                         std::string_view answer);

// 1 when the normalised texts are equal, else 0.
double exact_match(std::string_view prediction, std::string_view answer);

// 1 when the normalised prediction contains the normalised answer, also inside a word.
double subspan_match(std::string_view prediction, std::string_view answer);

}  // namespace unfold::eval
