// The report as Markdown (GitHub flavour): summary, key figures, tables, config.
#pragma once

#include <string>
#include <string_view>

#include "eval/report/run_record.h"

namespace unfold::eval {

std::string markdown_page(const RunRecord& record);

// Text made safe for a Markdown paragraph or table cell: shows as it is, on one line.
std::string escape_markdown(std::string_view text);

}  // namespace unfold::eval
