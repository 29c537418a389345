// The style sheet of the HTML report.
#pragma once

#include <string_view>

namespace unfold::eval {

// Colours are variables with a light and a dark value; text on its ground has a contrast of at
// least 4.5:1, and curves of at least 3:1, in both.
std::string_view page_style();

}  // namespace unfold::eval
