// The published configs of LongBench: dataset2prompt.json and dataset2maxlen.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "eval/longbench/prompt_template.h"

namespace unfold::eval {

struct LongBenchFormat {
  PromptTemplate prompt;
  std::string prompt_text;  // of the template
  std::int64_t max_new_tokens = 0;
};

// The format of a dataset. Throws core::UserError with the file: none named, missing, not JSON, the
// dataset is not in it, a length below 1.
LongBenchFormat read_longbench_format(const std::filesystem::path& folder,
                                      std::string_view dataset);

}  // namespace unfold::eval
