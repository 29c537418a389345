#include "eval/longbench/longbench_config.h"

#include "core/error.h"
#include "core/file.h"
#include "eval/records/json_record.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

JsonRecord read_config(const fs::path& file) {
  std::error_code ignored;
  core::require(fs::exists(file, ignored), "eval",
                "{}: no such file: name the folder of LongBench's dataset2prompt.json and "
                "dataset2maxlen.json in eval.longbench.config",
                file.string());
  return {core::read_text_file(file), file.string()};
}

template <typename Value>
Value value_of(const std::vector<std::pair<std::string, Value>>& members, std::string_view dataset,
               const fs::path& file) {
  for (const auto& [name, value] : members) {
    if (name == dataset) return value;
  }
  core::fail("eval", "{}: no member \"{}\": use LongBench's file", file.string(), dataset);
}

}  // namespace

LongBenchFormat read_longbench_format(const fs::path& folder, std::string_view dataset) {
  core::require(!folder.empty(), "eval",
                "LongBench needs its prompts: name the folder of dataset2prompt.json and "
                "dataset2maxlen.json in eval.longbench.config");
  const fs::path prompts = folder / "dataset2prompt.json";
  const fs::path lengths = folder / "dataset2maxlen.json";
  const std::string text = value_of(read_config(prompts).all_texts(), dataset, prompts);
  const std::int64_t length = value_of(read_config(lengths).all_integers(), dataset, lengths);
  core::require(length >= 1, "eval", "{}: \"{}\" is {}: an answer has 1 token or more",
                lengths.string(), dataset, length);
  return {PromptTemplate(text, prompts.string() + ": \"" + std::string(dataset) + "\""), text,
          length};
}

}  // namespace unfold::eval
