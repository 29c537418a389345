#include "cli/config/yaml_reader.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "cli/config/schema.h"
#include "core/error.h"
#include "data/text.h"

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

  void read_key(const std::string& written, const YAML::Node& node, const std::string& place) {
    const std::string key = schema().today(written);
    const auto [first, is_new] = seen_.emplace(key, place);
    core::require(is_new, "config", "{}: duplicate key {}: it was set at {} already", place,
                  in_quotes(written), first->second);
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

// Walks a document without building it; remembers where documents start.
class DocumentStarts final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { marks.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  std::vector<YAML::Mark> marks;
};

// A text that stands in a file (places get line and column) or in an override (they do not).
struct Source {
  std::string_view text;
  std::string_view name;
  bool has_lines;

  std::string place(int line, int column) const {
    return has_lines ? fmt::format("{}:{}:{}", name, line + 1, column + 1) : std::string(name);
  }
  std::string place(const YAML::Mark& mark) const {
    return mark.is_null() ? std::string(name) : place(mark.line, mark.column);
  }
};

// The YAML library guesses encodings and stops at some control characters, so we let none through.
void check_characters(const Source& source) {
  const std::size_t invalid = data::find_invalid_utf8(source.text);
  int line = 0;
  int column = 0;
  for (std::size_t i = 0; i < source.text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(source.text[i]);
    const bool blank = byte == '\n' || byte == '\r' || byte == '\t';
    if (i == invalid || byte == 0x7f || (byte < 0x20 && !blank)) {
      core::fail("config", "{}: byte 0x{:02x} does not belong here: write the config as UTF-8 text",
                 source.place(line, column), byte);
    }
    column = byte == '\n' ? 0 : column + 1;
    line += byte == '\n' ? 1 : 0;
  }
}

// The only document of the text. YAML errors become user errors.
YAML::Node parse_document(const Source& source) {
  check_characters(source);
  const std::string text(source.text);
  try {
    // YAML::LoadAll() never returns for a text like ",", so we look for a second document
    // ourselves.
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentStarts documents;
    while (documents.marks.size() < 2 && parser.HandleNextDocument(documents)) {
    }
    if (documents.marks.size() > 1) {
      core::fail("config", "{}: text behind the end of the first YAML document: keep one document",
                 source.place(documents.marks[1]));
    }
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    core::fail("config", "{}: not valid YAML: {}: check indentation, brackets and quotes",
               source.place(error.mark), error.msg);
  }
}

}  // namespace

void read_yaml(std::string_view text, std::string_view name, Config& config, Origins& origins) {
  const YAML::Node root = parse_document({.text = text, .name = name, .has_lines = true});
  core::require(!root.IsNull() && (!root.IsMap() || root.size() > 0), "config",
                "{}: empty config: set at least one key, for example 'run: {{dir: runs/first}}'",
                name);
  core::require(root.IsMap(), "config",
                "{}:{}: expected a map of sections (run:, model:, ...), found {}", name,
                root.Mark().line + 1, describe(to_value(root, false)));
  TreeReader(name, "", config, origins).read_section("", root);
}

void apply_override(const std::string& text, Config& config, Origins& origins) {
  const std::string label = fmt::format("--set {}", one_line(text));
  const std::size_t equals = text.find('=');
  core::require(equals != std::string::npos && equals > 0, "config",
                "{}: expected key=value, for example --set train.steps=100", label);
  const std::string_view value = std::string_view(text).substr(equals + 1);
  const YAML::Node node = parse_document({.text = value, .name = label, .has_lines = false});
  TreeReader("", label, config, origins).read_key(text.substr(0, equals), node, label);
}

}  // namespace unfold::cli
