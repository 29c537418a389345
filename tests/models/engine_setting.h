// The settings an engine is tested with: every method over gists of several levels.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "gsa/policies/policy.h"

namespace unfold::models {

struct Setting {
  gsa::PolicyKind kind;
  std::vector<std::int64_t> chunks;
  bool streaming = false;
};

inline std::string name_of(const Setting& setting) {
  std::string name = gsa::name_of(setting.kind);
  for (const std::int64_t chunk : setting.chunks) name += fmt::format("_{}", chunk);
  return setting.streaming ? name + "_chunked" : name;
}

inline void PrintTo(const Setting& setting, std::ostream* out) {
  *out << name_of(setting);
}

// Every method with each of the chunks; those that read gists with and without streaming insertion.
inline std::vector<Setting> settings_over(
    const std::vector<std::vector<std::int64_t>>& all_chunks) {
  std::vector<Setting> settings;
  for (const std::string& name : gsa::policy_names()) {
    const gsa::PolicyKind kind = *gsa::policy_from_name(name);
    for (const auto& chunks : all_chunks) {
      settings.push_back({kind, chunks});
      if (gsa::reads_gists(kind)) settings.push_back({kind, chunks, true});
    }
  }
  return settings;
}

}  // namespace unfold::models
