// Where gists go (METHOD.md section 3): behind every c raw tokens, at a word boundary if the rule
// says so, then level by level.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "gsa/gist_config.h"

namespace unfold::gsa {

// One element of a segment with its gists in place: a raw token (its index) or a gist (its level).
struct Element {
  std::int32_t raw;   // index into the segment's raw tokens, or -1 for a gist
  std::int8_t level;  // -1 for a raw token
  bool operator==(const Element&) const = default;
};

// Inserts gists into one segment of n raw tokens. starts_word[i] != 0 when token i starts a word
// (used by InsertionRule::word only; may be empty for InsertionRule::count).
// Every level is closed at the end of the segment. n == 0 gives an empty result.
std::vector<Element> insert_gists(std::int64_t n, std::span<const std::uint8_t> starts_word,
                                  const GistConfig& config);

// The longest prefix of the segment whose insertion (closing gists included) has at most
// max_elements elements: returns the number of raw tokens (0 when not even one fits).
std::int64_t longest_prefix(std::int64_t n, std::span<const std::uint8_t> starts_word,
                            const GistConfig& config, std::int64_t max_elements);

// True when a token with this decoded text starts a word: empty, or begins with space, tab, LF, CR
// or one of . , ; : ! ? - (em dash) ( ) [ ] { } " '
bool starts_word(std::string_view decoded);

}  // namespace unfold::gsa
