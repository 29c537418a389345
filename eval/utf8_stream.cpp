#include "eval/utf8_stream.h"

#include <algorithm>
#include <utility>

#include "data/text.h"

namespace unfold::eval {
namespace {

// Whether these bytes are a proper beginning of a well-formed character (Unicode table 3-7).
bool may_be_completed(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0xC2 || lead > 0xF4) return false;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (bytes.size() >= length) return false;
  if (bytes.size() >= 2) {
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < low || byte(1) > high) return false;
  }
  return bytes.size() < 3 || (byte(2) >= 0x80 && byte(2) <= 0xBF);
}

// Bytes at the end of the text that wait for more; 0 when it ends with a character.
std::size_t incomplete_tail(std::string_view text) {
  for (std::size_t size = 1; size <= std::min<std::size_t>(3, text.size()); ++size) {
    if (may_be_completed(text.substr(text.size() - size))) return size;
  }
  return 0;
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  held_ += bytes;
  const std::size_t certain = held_.size() - incomplete_tail(held_);
  std::string text = data::replace_invalid_utf8(std::string_view(held_).substr(0, certain));
  held_.erase(0, certain);
  return text;
}

std::string Utf8Stream::finish() {
  return data::replace_invalid_utf8(std::exchange(held_, {}));
}

}  // namespace unfold::eval
