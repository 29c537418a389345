// The style sheets of HTML pages.
#pragma once

#include <string_view>

namespace unfold::eval {

// What all pages share. Colours are variables with a light and a dark value; text on its ground has
// a contrast of at least 4.5:1, curves and the figures at their ends of at least 3:1, in both. The
// colours of curves c0 .. c9 stay apart for people who see no red or no green.
std::string_view page_style();

// What the report has besides: wide tables, heat maps, samples.
std::string_view report_style();

}  // namespace unfold::eval
