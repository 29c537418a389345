// What was unfolded, as text for the terminal.
#pragma once

#include <string>

#include "eval/unfold_trace.h"

namespace unfold::eval {

//   run demo, h_gsa, layer 2 of 0 to 2, key/value head 0 of 2, 14 chunks
//
//   token  generated  keys read  chunks unfolded
//       1  " lamp"           41  3 7
//
//   chunk  unfolded  text
//       0         0  "Facts: M"
//
// Chunks are numbered from 0 in the order of the document; every one of them has a line.
std::string unfold_text(const UnfoldTrace& trace);

// Text in double quotes on one line: control characters, quotes and backslashes are escaped.
std::string quote_line(std::string_view text);

}  // namespace unfold::eval
