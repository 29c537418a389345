// Metrics of answers that are one of few: a class, the number of a paragraph, a count.
//
// prediction and answer are UTF-8; scores are in [0, 1]. After THUDM/LongBench, metrics.py.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace unfold::eval {

// 1 / number of classes that the prediction names, when the answer is one of them; else 0. Named
// classes that are a part of the answer's name do not count, but the one behind such a class is
// passed over: the official code takes entries out of a list while it walks it.
double class_score(std::string_view prediction, std::string_view answer,
                   std::span<const std::string> classes);

// The share of the numbers in the prediction that are the answer, compared as text.
double count_score(std::string_view prediction, std::string_view answer);

// The same for the number behind the first "Paragraph " or "段落" of the answer. Throws
// core::UserError when the answer has none.
double paragraph_score(std::string_view prediction, std::string_view answer);
double chinese_paragraph_score(std::string_view prediction, std::string_view answer);

}  // namespace unfold::eval
