#include "eval/longbench/prompt_template.h"

#include "core/error.h"

namespace unfold::eval {

PromptTemplate::PromptTemplate(std::string_view text, std::string_view place) {
  bool context = false;
  Piece piece;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    const bool brace = byte == '{' || byte == '}';
    if (!brace) {
      piece.text += byte;
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == byte) {  // doubled: itself
      piece.text += byte;
      ++at;
      continue;
    }
    const std::size_t end = byte == '{' ? text.find('}', at) : std::string_view::npos;
    core::require(end != std::string_view::npos, "eval",
                  "{}: a brace without its partner: write {{{{ or }}}} for a brace that is text",
                  place);
    const std::string_view name = text.substr(at + 1, end - at - 1);
    core::require(name == "context" || name == "input", "eval",
                  "{}: {{{}}} in the template: known are {{context}} and {{input}}", place,
                  name.substr(0, 40));
    piece.member = name == "context" ? Piece::Member::context : Piece::Member::input;
    context = context || name == "context";
    pieces_.push_back(std::move(piece));
    piece = {};
    at = end;
  }
  pieces_.push_back(std::move(piece));
  core::require(context, "eval", "{}: the template has no {{context}}: put it where the text goes",
                place);
}

PromptTemplate::Prompt PromptTemplate::render(std::string_view context,
                                              std::string_view input) const {
  Prompt prompt;
  for (const Piece& piece : pieces_) {
    prompt.text += piece.text;
    if (piece.member == Piece::Member::input) prompt.text += input;
    if (piece.member != Piece::Member::context) continue;
    prompt.text += context;
    prompt.suffix = prompt.text.size();
  }
  return prompt;
}

}  // namespace unfold::eval
