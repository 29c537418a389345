// The report as Markdown (GitHub flavour): summaries, key figures, tables, configs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/report/main_table.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

std::string markdown_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels);

// Text made safe for a Markdown paragraph or table cell: shows as it is, on one line.
std::string escape_markdown(std::string_view text);

}  // namespace unfold::eval
