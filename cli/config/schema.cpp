#include "cli/config/schema.h"

#include <algorithm>
#include <utility>

#include "cli/config/nearest.h"
#include "cli/config/sections.h"
#include "core/error.h"

namespace unfold::cli {

void Schema::add(Entry entry) {
  core::check(find(entry.key) == nullptr, "config", "key '{}' is in the schema twice", entry.key);
  entries_.push_back(std::move(entry));
}

const Entry* Schema::find(std::string_view key) const {
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return entry.key == key; });
  return at == entries_.end() ? nullptr : &*at;
}

std::string Schema::today(const std::string& key) const {
  for (const auto& [old_name, name] : renamed_) {
    if (old_name == key) return name;
  }
  return key;
}

bool Schema::is_section(std::string_view name) const {
  return std::any_of(sections_.begin(), sections_.end(),
                     [&](const SectionInfo& section) { return section.name == name; });
}

std::string Schema::suggestion(std::string_view key) const {
  std::vector<std::string> names;
  names.reserve(entries_.size() + sections_.size());
  for (const Entry& entry : entries_) names.push_back(entry.key);
  for (const SectionInfo& section : sections_) names.push_back(section.name);
  const std::string nearest = nearest_key(key, names);
  if (nearest.empty()) return "'unfold config reference' lists all keys";
  return fmt::format("did you mean '{}'?", nearest);
}

const Schema& schema() {
  static const Schema instance = [] {
    Schema made;
    add_all_sections(made);
    return made;
  }();
  return instance;
}

}  // namespace unfold::cli
