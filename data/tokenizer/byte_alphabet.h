// The byte-level alphabet of tokenizer.json files: each byte is written as one printable character,
// so that a vocabulary of arbitrary bytes is readable JSON. Bytes that are printable in Latin-1
// stand for themselves, the others for U+0100, U+0101, ... in order (a space becomes U+0120).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace unfold::data {

// Bytes -> characters of the alphabet (UTF-8).
std::string to_byte_alphabet(std::string_view bytes);

// The way back; nothing when `text` holds a character outside the alphabet or is not UTF-8.
std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace unfold::data
