// The report as one HTML page: style sheet and plots inline, no script, nothing fetched.
#pragma once

#include <string>

#include "eval/report/run_record.h"

namespace unfold::eval {

// A pure function of the record: the same run gives the same bytes. All text is escaped.
std::string html_page(const RunRecord& record);

}  // namespace unfold::eval
