// Value: a setting between YAML and the config structs, so that only the reader and the writer know
// the YAML library. Decoding checks the type; errors name the place and the key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::cli {

struct Value {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::string text;          // of a scalar
  bool quoted = false;       // a quoted scalar is text, never a number or a boolean
  std::vector<Value> items;  // of a list
  bool operator==(const Value&) const = default;

  static Value scalar(std::string text, bool quoted = false);
  static Value list(std::vector<Value> items);
};

// Where a value was written, for messages: "demo.yaml:12" or "--set train.steps=3", and its key.
struct Where {
  std::string_view place;
  std::string_view key;
};

// Throws core::UserError "[config] PLACE: KEY: message".
[[noreturn]] void fail_at(const Where& where, std::string_view message);

// User text for a message: on one line (control characters escaped) and cut when long.
std::string one_line(std::string_view text);
// The same in quotes: 'text'.
std::string in_quotes(std::string_view text);
// What was found, for messages: "'many'", "a list", "nothing".
std::string describe(const Value& value);

// Each decode() throws core::UserError for another type, and for numbers that do not fit or are not
// finite. A list also takes a single value: "data.train: a.h5".
void decode(const Value& value, const Where& where, std::int64_t& out);
void decode(const Value& value, const Where& where, std::uint64_t& out);
void decode(const Value& value, const Where& where, double& out);
void decode(const Value& value, const Where& where, bool& out);
void decode(const Value& value, const Where& where, std::string& out);
void decode(const Value& value, const Where& where, std::vector<std::int64_t>& out);
void decode(const Value& value, const Where& where, std::vector<double>& out);
void decode(const Value& value, const Where& where, std::vector<std::string>& out);

// The inverse of decode(); numbers are written with the fewest digits that read back exactly.
Value encode(std::int64_t value);
Value encode(std::uint64_t value);
Value encode(double value);
Value encode(bool value);
Value encode(const std::string& value);
Value encode(const std::vector<std::int64_t>& values);
Value encode(const std::vector<double>& values);
Value encode(const std::vector<std::string>& values);

}  // namespace unfold::cli
