// The text of one JSONL line, without building the rest of it in memory.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace unfold::data {

// What one line held: the text, or the reason why there is none (for a message behind "file:line:
// ").
struct JsonText {
  std::optional<std::string> text;
  std::string error;
};

// Reads the string member `field` of the JSON object in `line` (valid UTF-8). Members of nested
// objects do not count; of several members of that name the last one wins.
JsonText read_json_text(std::string_view line, std::string_view field);

}  // namespace unfold::data
