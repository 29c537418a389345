// Text that arrives in pieces of bytes, given on in whole characters.
#pragma once

#include <string>
#include <string_view>

namespace unfold::eval {

// Tokens may end inside a character. What is given out is always valid UTF-8: the bytes of a
// character that may still be completed are held back, and bytes that cannot belong to any become
// U+FFFD, one for each maximal subpart (as data::replace_invalid_utf8).
class Utf8Stream {
 public:
  // The text that is certain now; may be empty.
  std::string push(std::string_view bytes);
  // The rest: U+FFFD when the stream ended inside a character, else empty.
  std::string finish();

 private:
  std::string held_;  // a beginning of a character: at most 3 bytes
};

}  // namespace unfold::eval
