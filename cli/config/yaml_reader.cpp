#include "cli/config/yaml_reader.h"

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <vector>

#include "cli/config/schema.h"
#include "core/error.h"

namespace unfold::cli {
namespace {

// Only the depth that settings need is read: what is nested deeper is a wrong type already, so
// aliases that refer to each other cost nothing.
Value to_value(const YAML::Node& node, bool with_items = true) {
  Value value;
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      break;
    case YAML::NodeType::Map:
      value.kind = Value::Kind::map;
      break;
    case YAML::NodeType::Scalar:
      // The YAML library tags a scalar in quotes with "!".
      return Value::scalar(node.Scalar(), node.Tag() == "!" || node.Tag().ends_with(":str"));
    case YAML::NodeType::Sequence:
      value.kind = Value::Kind::list;
      if (!with_items) break;
      for (const YAML::Node& item : node) value.items.push_back(to_value(item, false));
      break;
  }
  return value;
}

class TreeReader {
 public:
  // label: of an override, which has no lines; empty for a file.
  TreeReader(std::string_view name, std::string_view label, Config& config, Origins& origins)
      : name_(name), label_(label), config_(config), origins_(origins) {}

  void read_section(const std::string& section, const YAML::Node& node) {
    for (const auto& pair : node) {
      const std::string place = place_of(pair.first);
      core::require(pair.first.IsScalar(), "config", "{}: a key must be plain text, found {}",
                    place, describe(to_value(pair.first)));
      const std::string& part = pair.first.Scalar();
      read_key(section.empty() ? part : section + "." + part, pair.second, place);
    }
  }

  void read_key(const std::string& key, const YAML::Node& node, const std::string& place) {
    const auto [first, is_new] = seen_.emplace(key, place);
    core::require(is_new, "config", "{}: duplicate key {}: it was set at {} already", place,
                  in_quotes(key), first->second);
    if (const Entry* entry = schema().find(key)) {
      entry->set(config_, to_value(node), {.place = place, .key = key});
      origins_.set(key, place);
      return;
    }
    if (!schema().is_section(key)) {
      core::fail("config", "{}: unknown key {}: {}", place, in_quotes(key),
                 schema().suggestion(key));
    }
    core::require(node.IsMap(), "config", "{}: '{}' is a section: expected a map of keys, found {}",
                  place, key, describe(to_value(node, false)));
    read_section(key, node);
  }

 private:
  std::string place_of(const YAML::Node& node) const {
    if (!label_.empty()) return std::string(label_);
    return fmt::format("{}:{}", name_, node.Mark().line + 1);
  }

  std::string_view name_;
  std::string_view label_;
  Config& config_;
  Origins& origins_;
  std::map<std::string, std::string> seen_;  // keys and sections of this source -> place
};

// The documents of the text; YAML errors become user errors. For a file, prefix is its name and the
// place is added.
std::vector<YAML::Node> parse_documents(std::string_view text, std::string_view prefix,
                                        bool with_place) {
  try {
    return YAML::LoadAll(std::string(text));
  } catch (const YAML::Exception& error) {
    const std::string place =
        with_place && !error.mark.is_null()
            ? fmt::format("{}:{}:{}", prefix, error.mark.line + 1, error.mark.column + 1)
            : std::string(prefix);
    core::fail("config", "{}: not valid YAML: {}: check indentation, brackets and quotes", place,
               error.msg);
  }
}

}  // namespace

void read_yaml(std::string_view text, std::string_view name, Config& config, Origins& origins) {
  const std::vector<YAML::Node> documents = parse_documents(text, name, true);
  const bool empty = documents.empty() || (documents.size() == 1 && documents[0].IsNull());
  core::require(!empty, "config",
                "{}: empty config: set at least one key, for example 'run: {{dir: runs/first}}'",
                name);
  core::require(documents.size() == 1, "config",
                "{}: {} YAML documents in one file: keep one, without '---' lines between", name,
                documents.size());
  const YAML::Node& root = documents[0];
  core::require(root.IsMap(), "config",
                "{}:{}: expected a map of sections (run:, model:, ...), found {}", name,
                root.Mark().line + 1, describe(to_value(root, false)));
  core::require(root.size() > 0, "config",
                "{}: empty config: set at least one key, for example 'run: {{dir: runs/first}}'",
                name);
  TreeReader(name, "", config, origins).read_section("", root);
}

void apply_override(const std::string& text, Config& config, Origins& origins) {
  const std::string label = fmt::format("--set {}", one_line(text));
  const std::size_t equals = text.find('=');
  core::require(equals != std::string::npos && equals > 0, "config",
                "{}: expected key=value, for example --set train.steps=100", label);
  const std::vector<YAML::Node> documents =
      parse_documents(std::string_view(text).substr(equals + 1), label, false);
  core::require(documents.size() <= 1, "config", "{}: expected one value", label);
  const YAML::Node value = documents.empty() ? YAML::Node() : documents[0];
  TreeReader("", label, config, origins).read_key(text.substr(0, equals), value, label);
}

}  // namespace unfold::cli
