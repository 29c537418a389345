#include "data/jsonl_text.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

namespace unfold::data {
namespace {

using nlohmann::json;

// Event handler that keeps one string of the outermost object and drops everything else, so that
// a line costs no tree and hostile nesting no stack.
class TextHandler : public json::json_sax_t {
 public:
  explicit TextHandler(std::string_view field) : field_(field) {}

  bool null() override { return other("null"); }
  bool boolean(bool) override { return other("a boolean"); }
  bool number_integer(number_integer_t) override { return other("a number"); }
  bool number_unsigned(number_unsigned_t) override { return other("a number"); }
  bool number_float(number_float_t, const string_t&) override { return other("a number"); }
  bool binary(binary_t&) override { return other("binary data"); }
  bool string(string_t& value) override {
    if (!wanted_) return other("a string");
    wanted_ = false;
    result_.text = std::move(value);
    result_.error.clear();
    return true;
  }
  bool start_object(std::size_t) override {
    const bool ok = depth_ == 0 || other("an object");
    ++depth_;
    return ok;
  }
  bool end_object() override { return --depth_, true; }
  bool start_array(std::size_t) override {
    const bool ok = other("an array");
    ++depth_;
    return ok;
  }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    wanted_ = depth_ == 1 && name == field_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    result_.text.reset();
    result_.error = fmt::format("not valid JSON at column {}", position);
    return false;
  }

  JsonText take() {
    if (!result_.text && result_.error.empty()) {
      result_.error = fmt::format("the object has no member \"{}\"", field_);
    }
    return std::move(result_);
  }

 private:
  // A value that is not the wanted string.
  bool other(std::string_view what) {
    if (depth_ == 0) {
      result_.error = fmt::format("expected a JSON object, found {}", what);
      return false;
    }
    if (wanted_) {
      wanted_ = false;
      result_.text.reset();
      result_.error = fmt::format("member \"{}\" is {}, not a string", field_, what);
    }
    return true;
  }

  std::string_view field_;
  JsonText result_;
  int depth_ = 0;
  bool wanted_ = false;
};

}  // namespace

JsonText read_json_text(std::string_view line, std::string_view field) {
  TextHandler handler(field);
  json::sax_parse(line, &handler);
  return handler.take();
}

}  // namespace unfold::data
