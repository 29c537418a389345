#include "cli/text_input.h"

#include "core/error.h"
#include "core/file.h"
#include "data/text.h"

namespace unfold::cli {

void check_utf8(std::string_view tag, std::string_view text, std::string_view where) {
  const std::size_t bad = data::find_invalid_utf8(text);
  core::require(bad == std::string::npos, tag,
                "{}: not UTF-8 at byte {}: convert the text to UTF-8", where, bad);
}

std::string read_utf8_file(std::string_view tag, const std::string& file,
                           std::string_view if_empty) {
  std::string text = core::read_text_file(file);
  core::require(!text.empty(), tag, "{}: is empty: {}", file, if_empty);
  check_utf8(tag, text, file);
  return text;
}

}  // namespace unfold::cli
