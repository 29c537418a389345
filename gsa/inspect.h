// Text for people: what `unfold inspect visibility` and `unfold inspect insertion` print.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gsa/gist_config.h"

namespace unfold::gsa {

enum class InspectFormat { text, csv };

// Longest pattern inspect_visibility takes, in words.
inline constexpr std::int64_t kMaxPatternWords = 2048;

// The visibility matrix of a pattern, one document of words separated by blanks: a word that begins
// with g, G or H is a gist of level 0, 1 or 2, any other word is a raw token. Any order of gists is
// taken, well nested or not. levels: gist levels of the model, 1 + the highest seen unless given.
//   text  a row of RoPE positions, a row of names, then a row a query: x (sees the key) or a dot,
//         up to the query itself, as in METHOD.md section 5
//   csv   header query,rope,KEY..., then a line a query: its name, its position, 1 or 0 a key (0
//         also for keys behind it)
// Ends with a newline. Throws core::UserError for an empty or too long pattern, a gist the levels
// do not have, or a number out of range.
std::string inspect_visibility(std::string_view pattern, std::int64_t previous, std::int64_t sinks,
                               std::optional<int> levels, InspectFormat format);

// The tokens of one segment with its gists in place, all joined by '|': a gist of level 0 is <g>,
// of level l >= 1 is <GG..> with l letters. No newline at the end (tokens may hold some of their
// own). Throws core::UserError when there are no tokens or the config is out of range.
std::string inspect_insertion(const std::vector<std::string>& tokens, const GistConfig& config);

// The tokens of one string, split at every '|'. "a||b" holds an empty token.
// Throws core::UserError when it is empty.
std::vector<std::string> split_tokens(std::string_view joined);

}  // namespace unfold::gsa
