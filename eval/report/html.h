// Building HTML and SVG text: escaping, and a writer that closes what it opened.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unfold::eval {

// Text made safe for element content and for quoted attributes. Control characters other than tab
// and line break are dropped: HTML forbids them.
std::string escape_html(std::string_view text);

// Markup is written in order; all text and attribute values are escaped, names are taken as they
// are.
//   html.open("tr").element("td", "a < b").close();
class HtmlWriter {
 public:
  using Attributes = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  HtmlWriter& open(std::string_view name, Attributes attributes = {});
  HtmlWriter& close();
  HtmlWriter& text(std::string_view text);
  // <name ...>text</name>
  HtmlWriter& element(std::string_view name, std::string_view text, Attributes attributes = {});
  // An element without content or end tag: <meta ...>, <br>.
  HtmlWriter& single(std::string_view name, Attributes attributes = {});
  // Markup made elsewhere (a plot, a style sheet), taken as it is.
  HtmlWriter& raw(std::string_view markup);

  // The markup so far. Throws core::InternalError when an element is still open.
  const std::string& str() const;

 private:
  void start_tag(std::string_view name, Attributes attributes);
  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace unfold::eval
