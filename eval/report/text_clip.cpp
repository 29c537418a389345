#include "eval/report/text_clip.h"

namespace unfold::eval {
namespace {

constexpr std::string_view kEllipsis = " \u2026";

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

std::string clip_text(std::string_view text, std::size_t limit, bool from_both_ends) {
  if (text.size() <= limit) return std::string(text);
  std::size_t head = from_both_ends ? limit * 2 / 3 : limit;
  while (head > 0 && continues_character(text[head])) --head;
  std::string clipped(text.substr(0, head));
  clipped += kEllipsis;
  if (!from_both_ends) return clipped;
  std::size_t tail = text.size() - (limit - limit * 2 / 3);
  while (tail < text.size() && continues_character(text[tail])) ++tail;
  clipped += ' ';
  clipped += text.substr(tail);
  return clipped;
}

}  // namespace unfold::eval
