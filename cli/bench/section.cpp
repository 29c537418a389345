#include "cli/bench/section.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace unfold::cli::bench {
namespace {

std::string text_of(const Cell& cell, int decimals) {
  if (const auto* word = std::get_if<std::string>(&cell)) return *word;
  if (const auto* number = std::get_if<double>(&cell)) {
    return fmt::format("{:.{}f}", *number, decimals);
  }
  return "-";
}

nlohmann::ordered_json json_of(const Cell& cell) {
  if (const auto* word = std::get_if<std::string>(&cell)) return *word;
  if (const auto* number = std::get_if<double>(&cell)) return *number;
  return nullptr;
}

// A column is set flush right unless it holds words.
bool is_words(const Section& section, std::size_t column) {
  return std::any_of(section.rows.begin(), section.rows.end(), [&](const auto& row) {
    return std::holds_alternative<std::string>(row[column]);
  });
}

void append_line(std::string& text, const Section& section, const std::vector<std::string>& cells,
                 const std::vector<std::size_t>& widths) {
  std::string line = " ";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += is_words(section, i) ? fmt::format(" {:<{}}", cells[i], widths[i])
                                 : fmt::format(" {:>{}}", cells[i], widths[i]);
    if (i + 1 < cells.size()) line += ' ';
  }
  line.erase(line.find_last_not_of(' ') + 1);
  text += line + '\n';
}

}  // namespace

std::string to_text(const std::vector<Section>& sections) {
  std::string text;
  for (const Section& section : sections) {
    if (!text.empty()) text += '\n';
    text += section.title + '\n';
    std::vector<std::vector<std::string>> lines(1);
    for (const Column& column : section.columns) lines[0].push_back(column.heading);
    for (const auto& row : section.rows) {
      core::check(row.size() == section.columns.size(), "bench", "{} cells for {} columns of {}",
                  row.size(), section.columns.size(), section.key);
      std::vector<std::string> line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        line.push_back(text_of(row[i], section.columns[i].decimals));
      }
      lines.push_back(std::move(line));
    }
    std::vector<std::size_t> widths(section.columns.size(), 0);
    for (const auto& line : lines) {
      for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    }
    if (!section.columns.empty()) {
      for (const auto& line : lines) append_line(text, section, line, widths);
    }
    for (const std::string& note : section.notes) text += "  " + note + '\n';
  }
  return text;
}

std::string to_json(std::string_view machine, const std::vector<Section>& sections) {
  nlohmann::ordered_json document;
  document["machine"] = machine;
  for (const Section& section : sections) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const auto& row : section.rows) {
      nlohmann::ordered_json entry;
      for (std::size_t i = 0; i < section.columns.size(); ++i) {
        entry[section.columns[i].key] = json_of(row.at(i));
      }
      rows.push_back(std::move(entry));
    }
    document[section.key] = {
        {"title", section.title}, {"rows", std::move(rows)}, {"notes", section.notes}};
  }
  return document.dump(2) + '\n';
}

}  // namespace unfold::cli::bench
