// A JSON object of a file, read member by member: what records of evaluations are read with. Errors
// name the place (file and line), the member and what is wrong with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unfold::eval {

class JsonRecord {
 public:
  // Throws core::UserError for anything that is not one JSON object. The text is valid UTF-8.
  JsonRecord(std::string_view text, std::string place);
  ~JsonRecord();
  JsonRecord(JsonRecord&&) noexcept;
  JsonRecord& operator=(JsonRecord&&) noexcept;

  const std::string& place() const { return place_; }
  // Not there and null are alike.
  bool has(const char* member) const;

  // Each throws core::UserError when the member is missing or of another type.
  std::string text(const char* member) const;
  // Text that holds more than white space.
  std::string filled_text(const char* member) const;
  std::vector<std::string> texts(const char* member) const;
  std::int64_t integer(const char* member) const;  // a boolean counts as 0 or 1
  std::vector<JsonRecord> objects(const char* member) const;

  // All members, in order; each must be a text, or an integer.
  std::vector<std::pair<std::string, std::string>> all_texts() const;
  std::vector<std::pair<std::string, std::int64_t>> all_integers() const;

  // Throws core::UserError, "PLACE: message".
  [[noreturn]] void fail(std::string_view message) const;

 private:
  struct Data;
  JsonRecord(std::unique_ptr<Data> data, std::string place);

  std::unique_ptr<Data> data_;
  std::string place_;
};

}  // namespace unfold::eval
