// Word scanners: the usual split patterns by hand, several times as fast as a regular expression.
#pragma once

#include <cstddef>
#include <string_view>

namespace unfold::data {

// The split of Llama 3 (numbers in groups of three) and of Qwen2 (digits one by one), as their
// tokenizer.json files spell them: English contractions in any case, words with one sign before
// them, numbers, runs of signs with the line ends behind them, and white space.
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// End of the word that begins at text[from], from < text.size(); text is valid UTF-8. The words lie
// side by side: these patterns leave no gaps.
using WordScanner = std::size_t (*)(std::string_view text, std::size_t from);

// The scanner that cuts exactly like this pattern; nullptr when there is none.
WordScanner find_word_scanner(std::string_view pattern);

// Runs of digits and runs of the rest; and with every digit a word.
std::size_t scan_digits(std::string_view text, std::size_t from);
std::size_t scan_single_digits(std::string_view text, std::size_t from);
// kGpt2Pattern.
std::size_t scan_gpt2(std::string_view text, std::size_t from);

}  // namespace unfold::data
