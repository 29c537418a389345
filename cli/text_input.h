// Text that commands are given. Tokenizers expect valid UTF-8, so it is checked here.
#pragma once

#include <string>
#include <string_view>

namespace unfold::cli {

// Throws core::UserError with the offset of the first bad byte; `where` names the text, `tag` the
// command.
void check_utf8(std::string_view tag, std::string_view text, std::string_view where);

// The whole of a text file. Throws core::UserError when it cannot be read, is empty or is not
// UTF-8. if_empty: what to do then.
std::string read_utf8_file(std::string_view tag, const std::string& file,
                           std::string_view if_empty);

}  // namespace unfold::cli
