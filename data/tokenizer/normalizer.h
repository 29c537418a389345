// Unicode normalisation form C, as tokenizer.json files of the Qwen2 family ask for.
#pragma once

#include <string>
#include <string_view>

namespace unfold::data {

// True when the text is ASCII, which every normalisation form leaves alone.
bool is_ascii(std::string_view text);

// The text (valid UTF-8) in NFC.
std::string to_nfc(std::string_view text);

}  // namespace unfold::data
