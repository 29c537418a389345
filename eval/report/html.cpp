#include "eval/report/html.h"

#include "core/error.h"

namespace unfold::eval {

std::string escape_html(std::string_view text) {
  std::string safe;
  safe.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte >= 0x20 && byte != 0x7f) || c == '\t' || c == '\n') safe += c;
      }
    }
  }
  return safe;
}

void HtmlWriter::start_tag(std::string_view name, Attributes attributes) {
  out_.append("<").append(name);
  for (const auto& [key, value] : attributes) {
    out_.append(" ").append(key).append("=\"").append(escape_html(value)).append("\"");
  }
  out_ += '>';
}

HtmlWriter& HtmlWriter::open(std::string_view name, Attributes attributes) {
  start_tag(name, attributes);
  open_.emplace_back(name);
  return *this;
}

HtmlWriter& HtmlWriter::close() {
  core::check(!open_.empty(), "html", "close without an open element");
  out_.append("</").append(open_.back()).append(">");
  open_.pop_back();
  // A line break between blocks keeps the page readable as text; inside a line it would be a space.
  if (open_.size() <= 3) out_ += '\n';
  return *this;
}

HtmlWriter& HtmlWriter::text(std::string_view text) {
  out_ += escape_html(text);
  return *this;
}

HtmlWriter& HtmlWriter::element(std::string_view name, std::string_view content,
                                Attributes attributes) {
  return open(name, attributes).text(content).close();
}

HtmlWriter& HtmlWriter::single(std::string_view name, Attributes attributes) {
  start_tag(name, attributes);
  return *this;
}

HtmlWriter& HtmlWriter::raw(std::string_view markup) {
  out_ += markup;
  return *this;
}

const std::string& HtmlWriter::str() const {
  core::check(open_.empty(), "html", "element <{}> is still open",
              open_.empty() ? "" : open_.back());
  return out_;
}

}  // namespace unfold::eval
