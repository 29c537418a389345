// The results for spreadsheets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/report/main_table.h"
#include "eval/report/run_comparison.h"

namespace unfold::eval {

// Every row of every run, as RFC 4180 has it, under
//   run,task,metric,method,ratio,value,low,high,n,attended,samples_per_second,skipped,
//   difference,p_value,p_adjusted
// The last three compare with the reference method at the same ratio (main_table.h), and are empty
// where nothing was compared. Numbers that are not known are empty.
std::string csv_page(const RunComparison& comparison, const std::vector<RatioPanel>& panels);

// A text as a field: quoted where needed. One that a spreadsheet would take for a formula gets an
// apostrophe in front.
std::string csv_field(std::string_view text);

}  // namespace unfold::eval
