// Text as Python sees it: the metrics follow Python code, whose words, digits and small letters are
// those of Python's str and re (eval/metrics/python_characters_table.h, Unicode 14).
//
// Text is a sequence of code points here. Views point into the text that they were made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unfold::eval {

// The code points of UTF-8; U+FFFD for every maximal part that is not well-formed.
std::u32string to_code_points(std::string_view utf8);

bool is_python_space(char32_t c);  // str.isspace() and \s
bool is_python_digit(char32_t c);  // \d
bool is_python_word(char32_t c);   // \w

// str.lower(), with the small letter that ends a word for a capital sigma.
std::u32string python_lower(std::u32string_view text);

// str.split(): the pieces between runs of white space, none of them empty.
std::vector<std::u32string_view> python_split(std::u32string_view text);

// str.split(separator): at least one piece, any of which may be empty.
std::vector<std::u32string_view> split_at(std::u32string_view text, char32_t separator);

// re.findall(r"\d+", text).
std::vector<std::u32string_view> find_numbers(std::u32string_view text);

}  // namespace unfold::eval
