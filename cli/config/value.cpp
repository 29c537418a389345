#include "cli/config/value.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace unfold::cli {
namespace {

constexpr std::size_t kLongestQuote = 60;  // bytes of user text repeated in a message

[[noreturn]] void fail_type(const Where& where, std::string_view expected, const Value& value) {
  fail_at(where, fmt::format("expected {}, found {}", expected, describe(value)));
}

bool is_plain(const Value& value) {
  return value.kind == Value::Kind::scalar && !value.quoted;
}

// from_chars takes no leading plus sign, YAML does.
std::string_view without_plus(std::string_view text) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+';
  return plus ? text.substr(1) : text;
}

template <typename Integer>
void decode_integer(const Value& value, const Where& where, Integer& out) {
  if (!is_plain(value)) fail_type(where, "an integer", value);
  const std::string_view text = without_plus(value.text);
  Integer number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size()) {
    const bool negative = std::is_unsigned_v<Integer> && text.starts_with('-');
    fail_type(where, negative ? "an integer >= 0" : "an integer", value);
  }
  if (error == std::errc::result_out_of_range) {
    fail_at(where, fmt::format("{} does not fit in 64 bits", describe(value)));
  }
  if (error != std::errc{}) fail_type(where, "an integer", value);
  out = number;
}

template <typename T>
void decode_list(const Value& value, const Where& where, std::string_view expected,
                 std::vector<T>& out) {
  if (value.kind == Value::Kind::map || value.kind == Value::Kind::null) {
    fail_type(where, expected, value);
  }
  std::vector<T> list;
  if (value.kind == Value::Kind::scalar) {
    // To YAML "8,4" is one text.
    if (!std::is_same_v<T, std::string> && is_plain(value) &&
        value.text.find(',') != std::string::npos) {
      fail_at(where, fmt::format("expected {}, found {}: put a list in brackets, [{}]", expected,
                                 describe(value), value.text));
    }
    decode(value, where, list.emplace_back());
  } else {
    list.reserve(value.items.size());
    for (const Value& item : value.items) decode(item, where, list.emplace_back());
  }
  out = std::move(list);
}

template <typename T>
Value encode_list(const std::vector<T>& values) {
  std::vector<Value> items;
  items.reserve(values.size());
  for (const T& value : values) items.push_back(encode(value));
  return Value::list(std::move(items));
}

}  // namespace

Value Value::scalar(std::string text, bool quoted) {
  Value value;
  value.kind = Kind::scalar;
  value.text = std::move(text);
  value.quoted = quoted;
  return value;
}

Value Value::list(std::vector<Value> items) {
  Value value;
  value.kind = Kind::list;
  value.items = std::move(items);
  return value;
}

void fail_at(const Where& where, std::string_view message) {
  core::fail("config", "{}: {}: {}", where.place, where.key, message);
}

std::string one_line(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    // Cut between characters, not inside a UTF-8 sequence.
    if (i >= kLongestQuote && (byte & 0xC0u) != 0x80u) {
      out += "...";
      break;
    }
    if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  return fmt::format("'{}'", one_line(text));
}

std::string describe(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      return "nothing";
    case Value::Kind::list:
      return "a list";
    case Value::Kind::map:
      return "a map of keys";
    case Value::Kind::scalar:
      break;
  }
  return fmt::format("{}{}", value.quoted ? "the quoted text " : "", in_quotes(value.text));
}

void decode(const Value& value, const Where& where, std::int64_t& out) {
  decode_integer(value, where, out);
}

void decode(const Value& value, const Where& where, std::uint64_t& out) {
  decode_integer(value, where, out);
}

void decode(const Value& value, const Where& where, double& out) {
  if (!is_plain(value)) fail_type(where, "a number", value);
  const std::string_view text = without_plus(value.text);
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool yaml_special = text == ".inf" || text == "-.inf" || text == ".nan" || text == ".Inf" ||
                            text == "-.Inf" || text == ".NaN" || text == ".INF" ||
                            text == "-.INF" || text == ".NAN";
  const bool complete = end == text.data() + text.size();
  if (yaml_special || (complete && error == std::errc{} && !std::isfinite(number))) {
    fail_at(where, fmt::format("{} is not a finite number", describe(value)));
  }
  if (complete && error == std::errc::result_out_of_range) {
    fail_at(where, fmt::format("{} does not fit in a float64", describe(value)));
  }
  if (!complete || error != std::errc{}) fail_type(where, "a number", value);
  out = number;
}

void decode(const Value& value, const Where& where, bool& out) {
  if (is_plain(value)) {
    const std::string& text = value.text;
    if (text == "true" || text == "True" || text == "TRUE") {
      out = true;
      return;
    }
    if (text == "false" || text == "False" || text == "FALSE") {
      out = false;
      return;
    }
  }
  fail_type(where, "true or false", value);
}

void decode(const Value& value, const Where& where, std::string& out) {
  if (value.kind == Value::Kind::null) fail_type(where, "text (\"\" for none)", value);
  if (value.kind != Value::Kind::scalar) fail_type(where, "text", value);
  if (value.text.find('\0') != std::string::npos) fail_at(where, "a NUL character is not allowed");
  out = value.text;
}

void decode(const Value& value, const Where& where, std::vector<std::int64_t>& out) {
  decode_list(value, where, "a list of integers", out);
}

void decode(const Value& value, const Where& where, std::vector<double>& out) {
  decode_list(value, where, "a list of numbers", out);
}

void decode(const Value& value, const Where& where, std::vector<std::string>& out) {
  decode_list(value, where, "text or a list of texts", out);
}

Value encode(std::int64_t value) {
  return Value::scalar(fmt::format("{}", value));
}
Value encode(std::uint64_t value) {
  return Value::scalar(fmt::format("{}", value));
}
Value encode(double value) {
  return Value::scalar(fmt::format("{}", value));
}
Value encode(bool value) {
  return Value::scalar(value ? "true" : "false");
}
Value encode(const std::string& value) {
  return Value::scalar(value, true);
}
Value encode(const std::vector<std::int64_t>& values) {
  return encode_list(values);
}
Value encode(const std::vector<double>& values) {
  return encode_list(values);
}
Value encode(const std::vector<std::string>& values) {
  return encode_list(values);
}

}  // namespace unfold::cli
