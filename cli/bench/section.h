// What a benchmark reports: tables that can be read as text and as JSON.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace unfold::cli::bench {

// Nothing (shown as "-"), a word, or a number.
using Cell = std::variant<std::monostate, std::string, double>;

struct Column {
  std::string key;      // member of the JSON rows
  std::string heading;  // of the text table
  int decimals = 0;     // of numbers in the text table; JSON has them in full
};

struct Section {
  std::string key;  // member of the JSON document
  std::string title;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  // a cell a column
  std::vector<std::string> notes;       // lines below the table
};

// Tables one below the other; numbers are right-aligned, thousands stay together.
std::string to_text(const std::vector<Section>& sections);
// {"machine": machine, KEY: {"title", "rows": [{COLUMN: value}], "notes": []}}, one line a row.
std::string to_json(std::string_view machine, const std::vector<Section>& sections);

}  // namespace unfold::cli::bench
