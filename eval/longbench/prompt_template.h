// The prompt templates of LongBench: texts with {context} and {input}, as Python's str.format takes
// them ({{ and }} are braces).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unfold::eval {

class PromptTemplate {
 public:
  // place: for errors. Throws core::UserError for a template without {context}, with another name
  // in braces, or with a brace that is not closed.
  PromptTemplate(std::string_view text, std::string_view place);

  // The prompt, cut where the text behind the last context begins.
  struct Prompt {
    std::string text;
    std::size_t suffix = 0;  // bytes of the text before what stands behind the context
  };
  Prompt render(std::string_view context, std::string_view input) const;

 private:
  // A text, then a member; the last has none.
  struct Piece {
    std::string text;
    enum class Member { none, context, input } member = Member::none;
  };
  std::vector<Piece> pieces_;
};

}  // namespace unfold::eval
