// JSON files of tokenizers: reading with limits, and typed access whose errors name file and
// member.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace unfold::data {

// Parses a whole file. Throws core::UserError: unreadable, larger than 256 MiB, not valid JSON
// (with the byte offset), not an object.
nlohmann::json read_json_object(const std::filesystem::path& file);

// A JSON value with its place, "tokenizer.json: model.vocab", for messages. Cheap to copy; the
// value must outlive it.
class JsonView {
 public:
  JsonView(const nlohmann::json& value, std::string place) : value_(&value), place_(place) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& place() const { return place_; }

  // Member of an object; a JSON null when it is missing.
  JsonView member(std::string_view name) const;
  JsonView element(std::size_t index) const;
  bool is_null() const;
  std::size_t size() const;

  // Each throws core::UserError "PLACE: expected ..., found ..." for another type.
  const JsonView& expect_object() const;
  const JsonView& expect_array() const;
  const std::string& as_string() const;
  std::int64_t as_integer() const;    // any 64-bit integer
  bool as_bool(bool fallback) const;  // fallback when null

  [[noreturn]] void fail(std::string_view message) const;

 private:
  const nlohmann::json* value_;
  std::string place_;
};

}  // namespace unfold::data
