// Texts of records made short enough for a page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace unfold::eval {

// At most `limit` bytes of the text, cut between characters of UTF-8; a cut text ends with an
// ellipsis in place of its rest. `from_both_ends` keeps beginning and end, the ellipsis between.
std::string clip_text(std::string_view text, std::size_t limit, bool from_both_ends = false);

}  // namespace unfold::eval
