#include "eval/report/config_facts.h"

#include <yaml-cpp/yaml.h>

#include "core/error.h"

namespace unfold::eval {
namespace {

// The value at section.key, or nothing when it is absent or of another type: the report shows what
// there is, and judging a config is the work of the config reader.
template <typename T>
std::optional<T> value_at(const YAML::Node& root, const char* section, const char* key) {
  if (!root.IsMap()) return std::nullopt;
  const YAML::Node part = root[section];
  if (!part.IsDefined() || !part.IsMap()) return std::nullopt;
  const YAML::Node value = part[key];
  if (!value.IsDefined() || value.IsNull()) return std::nullopt;
  try {
    return value.as<T>();
  } catch (const YAML::BadConversion&) {
    return std::nullopt;
  }
}

}  // namespace

ConfigFacts read_config_facts(const std::string& yaml, const std::string& name) {
  ConfigFacts facts;
  try {
    const YAML::Node root = YAML::Load(yaml);
    facts.layers = value_at<std::int64_t>(root, "model", "layers");
    facts.width = value_at<std::int64_t>(root, "model", "width");
    facts.architecture = value_at<std::string>(root, "model", "architecture");
    facts.objective = value_at<std::string>(root, "train", "objective");
    facts.steps = value_at<std::int64_t>(root, "train", "steps");
    facts.rows = value_at<std::int64_t>(root, "train", "rows");
    facts.row_length = value_at<std::int64_t>(root, "train", "row_length");
    facts.chunks = value_at<std::vector<std::int64_t>>(root, "gist", "chunks");
    facts.sinks = value_at<std::int64_t>(root, "gist", "sinks");
    facts.previous_chunks = value_at<std::int64_t>(root, "gist", "previous_chunks");
  } catch (const YAML::Exception& error) {
    core::fail("report", "{}:{}: not YAML ({}): restore the config that the run was made with",
               name, error.mark.line + 1, error.msg);
  }
  return facts;
}

}  // namespace unfold::eval
