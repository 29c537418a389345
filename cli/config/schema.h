// The schema: every key of a config once, with its type, range, help and the struct member it sets.
// To add a key, add one line to cli/config/sections.cpp.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/config/config.h"
#include "cli/config/value.h"

namespace unfold::cli {

struct Entry {
  std::string key;    // "train.steps"
  std::string type;   // "integer", "list of texts", ...
  std::string range;  // ">= 1", or the choices "lm, cpt"; empty when every value will do
  std::string help;
  // Decodes, checks the range and stores; throws core::UserError.
  std::function<void(Config&, const Value&, const Where&)> set;
  std::function<Value(const Config&)> get;
};

struct SectionInfo {
  std::string name;  // "train", "model.rope"
  std::string help;
};

class Schema {
 public:
  // Sections in the order they are printed; entries of a section stand together.
  void add_section(SectionInfo section) { sections_.push_back(std::move(section)); }
  // Throws core::InternalError when the key exists.
  void add(Entry entry);

  // A key that configs of earlier versions, such as those kept in runs, have under an old name.
  void add_renamed(std::string old_name, std::string name) {
    renamed_.emplace_back(std::move(old_name), std::move(name));
  }
  // The name that a key has today.
  std::string today(const std::string& key) const;

  const std::vector<SectionInfo>& sections() const { return sections_; }
  const std::vector<Entry>& entries() const { return entries_; }
  // nullptr when there is no such key.
  const Entry* find(std::string_view key) const;
  bool is_section(std::string_view name) const;
  // "did you mean 'train.steps'?", or where to read the keys when none is near.
  std::string suggestion(std::string_view key) const;

 private:
  std::vector<SectionInfo> sections_;
  std::vector<Entry> entries_;
  std::vector<std::pair<std::string, std::string>> renamed_;
};

// The schema of Config, built on first use.
const Schema& schema();

// A value as one line of YAML: 3, "byte", [4, 4].
std::string to_text(const Value& value);

}  // namespace unfold::cli
