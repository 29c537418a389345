// The reference of all keys, as aligned text and as Markdown tables.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "cli/config/schema.h"

namespace unfold::cli {
namespace {

constexpr std::size_t kColumns = 5;
using Row = std::array<std::string, kColumns>;  // key, type, default, range, help

std::string section_of(const std::string& key) {
  return key.substr(0, key.rfind('.'));
}

std::vector<Row> rows_of(const SectionInfo& section) {
  const Config defaults;
  std::vector<Row> rows;
  for (const Entry& entry : schema().entries()) {
    if (section_of(entry.key) != section.name) continue;
    rows.push_back({entry.key, entry.type, to_text(entry.get(defaults)), entry.range, entry.help});
  }
  return rows;
}

std::string text_reference() {
  std::array<std::size_t, kColumns> widths{};
  for (const SectionInfo& section : schema().sections()) {
    for (const Row& row : rows_of(section)) {
      for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string out =
      "Keys of a config: key, type, default, range or choices, meaning.\n"
      "Set them in YAML (train: {steps: 100}) or with --set train.steps=100.\n"
      "A list of one entry may be written without brackets.\n";
  for (const SectionInfo& section : schema().sections()) {
    out += fmt::format("\n{}: {}\n", section.name, section.help);
    for (const Row& row : rows_of(section)) {
      out += fmt::format("  {:<{}}  {:<{}}  {:<{}}  {:<{}}  {}\n", row[0], widths[0], row[1],
                         widths[1], row[2], widths[2], row[3], widths[3], row[4]);
    }
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '<' || c == '*') out += '\\';
    out += c;
  }
  return out;
}

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] += 'A' - 'a';
  return text;
}

std::string markdown_reference() {
  std::string out = "# Configuration keys\n";
  for (const SectionInfo& section : schema().sections()) {
    out += fmt::format(
        "\n## {}\n\n{}.\n\n| key | type | default | range | meaning |\n|---|---|---|---|---|\n",
        section.name, capitalised(section.help));
    for (const Row& row : rows_of(section)) {
      out += fmt::format("| `{}` | {} | `{}` | {} | {} |\n", row[0], row[1], row[2],
                         escaped(row[3]), escaped(row[4]));
    }
  }
  return out;
}

}  // namespace

std::string config_reference(ReferenceFormat format) {
  return format == ReferenceFormat::markdown ? markdown_reference() : text_reference();
}

}  // namespace unfold::cli
