// What a report says about the resolved config of a run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unfold::eval {

// Only what the config states: an absent key is an empty optional.
struct ConfigFacts {
  std::optional<std::int64_t> layers;
  std::optional<std::int64_t> width;
  std::optional<std::string> architecture;
  std::optional<std::string> objective;
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> rows;
  std::optional<std::int64_t> row_length;
  std::optional<std::vector<std::int64_t>> chunks;  // empty list: no gists
  std::optional<std::int64_t> sinks;
  std::optional<std::int64_t> previous_chunks;
};

// yaml: the text of config.yaml; `name` names it in errors.
// Throws core::UserError with the line where the text is not YAML.
ConfigFacts read_config_facts(const std::string& yaml, const std::string& name);

}  // namespace unfold::eval
