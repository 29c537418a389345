// What was unfolded, as a page: a heat map over the document.
#pragma once

#include <string>

#include "eval/unfold_trace.h"

namespace unfold::eval {

// Self-contained HTML. Every chunk of the document is one element, the darker the more of the
// generated tokens unfolded it; choosing a token outlines the chunks it unfolded (an inline script;
// the table below says the same without). All text is escaped; the same trace gives the same bytes.
std::string unfold_page(const UnfoldTrace& trace);

}  // namespace unfold::eval
