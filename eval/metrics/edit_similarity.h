// Similarity of code: Ratcliff and Obershelp's gestalt matching, as Python's difflib has it and as
// fuzzywuzzy's ratio rounds it (without python-Levenshtein, which gives other numbers).
#pragma once

#include <cstdint>
#include <string_view>

namespace unfold::eval {

// The sum of the sizes of the matching blocks: the longest common run, and so on to its left and
// right. In a b of 200 characters or more, a character that makes up more than 1% of it (and one)
// begins no match; it may only lengthen one.
std::int64_t matching_characters(std::u32string_view a, std::u32string_view b);

// fuzz.ratio: 100 for equal texts, 0 when one is empty, else 200 * matches / (size of both),
// rounded to even at halves.
int similarity_percent(std::u32string_view a, std::u32string_view b);

// LongBench's score of a line of code, in [0, 1]: percent / 100 of the answer and the first line of
// the prediction that has no '`', '#' or "//", empty when there is none. Line ends before the first
// line are skipped.
double code_similarity(std::string_view prediction, std::string_view answer);

}  // namespace unfold::eval
