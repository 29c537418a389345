#include "eval/records/json_record.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace unfold::eval {
namespace {

using Json = nlohmann::ordered_json;

std::string_view described(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a boolean";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  return value.is_array() ? "a list" : "an object";
}

}  // namespace

struct JsonRecord::Data {
  Json json;
};

JsonRecord::JsonRecord(std::string_view text, std::string place)
    : data_(std::make_unique<Data>()), place_(std::move(place)) {
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    // No record is nested so deep; a hostile line must not cost the stack of a destructor.
    if (depth > 16) fail("lists or objects nested too deep: is it a file of records?");
    return true;
  };
  try {
    data_->json = Json::parse(text, shallow);
  } catch (const Json::parse_error& error) {
    fail(fmt::format("not valid JSON at column {}: write one object a line", error.byte));
  } catch (const Json::exception&) {
    fail("a number that does not fit: remove it");
  }
  if (!data_->json.is_object()) {
    fail(fmt::format("{}, not an object: write one object a line", described(data_->json)));
  }
}

JsonRecord::JsonRecord(std::unique_ptr<Data> data, std::string place)
    : data_(std::move(data)), place_(std::move(place)) {}
JsonRecord::~JsonRecord() = default;
JsonRecord::JsonRecord(JsonRecord&&) noexcept = default;
JsonRecord& JsonRecord::operator=(JsonRecord&&) noexcept = default;

void JsonRecord::fail(std::string_view message) const {
  core::fail("eval", "{}: {}", place_, message);
}

bool JsonRecord::has(const char* member) const {
  const auto found = data_->json.find(member);
  return found != data_->json.end() && !found->is_null();
}

namespace {

const Json& member_of(const JsonRecord& record, const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end()) {
    record.fail(fmt::format("\"{}\" is missing: every record needs it", member));
  }
  return *found;
}

void require_type(const JsonRecord& record, bool right, const Json& value, std::string_view member,
                  std::string_view wanted) {
  if (right) return;
  record.fail(fmt::format("\"{}\" is {}, not {}: mend the record or leave it out", member,
                          described(value), wanted));
}

std::int64_t integer_of(const JsonRecord& record, const Json& value, std::string_view member) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  require_type(record, value.is_number_integer(), value, member, "an integer");
  return value.get<std::int64_t>();
}

}  // namespace

std::string JsonRecord::text(const char* member) const {
  const Json& value = member_of(*this, data_->json, member);
  require_type(*this, value.is_string(), value, member, "text");
  return value.get<std::string>();
}

std::string JsonRecord::filled_text(const char* member) const {
  std::string result = text(member);
  if (result.find_first_not_of(" \t\r\n") == std::string::npos) {
    fail(fmt::format("\"{}\" is empty: fill it or leave the record out", member));
  }
  return result;
}

std::vector<std::string> JsonRecord::texts(const char* member) const {
  const Json& value = member_of(*this, data_->json, member);
  require_type(*this, value.is_array(), value, member, "a list of texts");
  std::vector<std::string> result;
  for (const Json& entry : value) {
    require_type(*this, entry.is_string(), entry,
                 fmt::format("{}\" entry \"{}", member, result.size() + 1), "text");
    result.push_back(entry.get<std::string>());
  }
  return result;
}

std::int64_t JsonRecord::integer(const char* member) const {
  return integer_of(*this, member_of(*this, data_->json, member), member);
}

std::vector<JsonRecord> JsonRecord::objects(const char* member) const {
  const Json& value = member_of(*this, data_->json, member);
  require_type(*this, value.is_array(), value, member, "a list of objects");
  std::vector<JsonRecord> result;
  for (const Json& entry : value) {
    require_type(*this, entry.is_object(), entry, member, "a list of objects");
    auto data = std::make_unique<Data>();
    data->json = entry;
    result.push_back(JsonRecord(
        std::move(data), fmt::format("{}: \"{}\" entry {}", place_, member, result.size() + 1)));
  }
  return result;
}

std::vector<std::pair<std::string, std::string>> JsonRecord::all_texts() const {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& member : data_->json.items()) {
    require_type(*this, member.value().is_string(), member.value(), member.key(), "text");
    result.emplace_back(member.key(), member.value().get<std::string>());
  }
  return result;
}

std::vector<std::pair<std::string, std::int64_t>> JsonRecord::all_integers() const {
  std::vector<std::pair<std::string, std::int64_t>> result;
  for (const auto& member : data_->json.items()) {
    result.emplace_back(member.key(), integer_of(*this, member.value(), member.key()));
  }
  return result;
}

}  // namespace unfold::eval
