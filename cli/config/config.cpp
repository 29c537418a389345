#include "cli/config/config.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "cli/config/schema.h"
#include "cli/config/validate.h"
#include "cli/config/yaml_reader.h"
#include "core/error.h"

namespace unfold::cli {
namespace {

constexpr std::size_t kLargestFile = 1 << 20;  // bytes; a larger file is no config

std::string read_file(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    const std::filesystem::path inside = file / "config.yaml";
    const std::string hint = std::filesystem::exists(inside, ignored)
                                 ? fmt::format("did you mean {}?", inside.string())
                                 : "give a YAML file";
    core::fail("config", "{}: is a folder: {}", name, hint);
  }
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  core::require(in.is_open(), "config", "{}: cannot be read: {}: give an existing YAML file", name,
                std::strerror(errno));
  std::string text(kLargestFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  core::require(!in.bad(), "config", "{}: reading failed: {}", name, std::strerror(errno));
  text.resize(static_cast<std::size_t>(in.gcount()));
  core::require(text.size() <= kLargestFile, "config",
                "{}: larger than 1 MiB: this is not a config; give a YAML file", name);
  return text;
}

}  // namespace

Config parse_config(std::string_view text, std::string_view name,
                    std::span<const std::string> overrides) {
  Config config;
  Origins origins{std::string(name)};
  read_yaml(text, name, config, origins);
  for (const std::string& override_text : overrides) {
    apply_override(override_text, config, origins);
  }
  validate(config, origins);
  return config;
}

Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides) {
  return parse_config(read_file(file), file.string(), overrides);
}

std::vector<Difference> differing_keys(const Config& left, const Config& right) {
  std::vector<Difference> differences;
  for (const Entry& entry : schema().entries()) {
    const Value a = entry.get(left);
    const Value b = entry.get(right);
    if (a != b) differences.push_back({entry.key, to_text(a), to_text(b)});
  }
  return differences;
}

}  // namespace unfold::cli
