// Words in runs of Chinese characters that no dictionary has: a hidden Markov model whose states
// say where in its word a character stands.
#pragma once

#include <array>
#include <filesystem>
#include <string_view>
#include <vector>

namespace unfold::eval {

// Natural logarithms of probabilities, by states in the order B, E, M, S: the begin, end and middle
// of a word, and a word of one character.
struct TaggerTables {
  static constexpr std::size_t kStates = 4;
  static constexpr char32_t kFirst = 0x4E00;  // the characters it knows
  static constexpr char32_t kLast = 0x9FD5;
  static constexpr double kNever = -3.14e100;  // also what is missing in a file

  TaggerTables();

  std::array<double, kStates> start;
  std::array<std::array<double, kStates>, kStates> step;  // [from][to]
  std::array<std::vector<double>, kStates> emit;          // [state][character - kFirst]
};

// Whether c is a character from kFirst to kLast.
constexpr bool is_han(char32_t c) {
  return c >= TaggerTables::kFirst && c <= TaggerTables::kLast;
}

// Reads finalseg/prob_start.py, prob_trans.py and prob_emit.py of jieba, given the folder that has
// them. Throws core::UserError with the file and the line.
TaggerTables read_jieba_tables(const std::filesystem::path& finalseg);

// Reads hmm_model.utf8 of cppjieba, whose emissions are rounded to six digits.
TaggerTables read_cppjieba_tables(const std::filesystem::path& file);

// Appends the words of a run of Han characters by the likeliest states (Viterbi); of equally likely
// ones the state later in the alphabet is taken. Words are views into text.
void cut_by_tags(const TaggerTables& tables, std::u32string_view text,
                 std::vector<std::u32string_view>& words);

}  // namespace unfold::eval
