#include "data/tokenizer/json_file.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/error.h"

namespace unfold::data {
namespace {

constexpr std::string_view kTag = "tokenizer";
constexpr std::uintmax_t kLargestFile = std::uintmax_t{256} << 20;

const nlohmann::json kNull;

}  // namespace

nlohmann::json read_json_object(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  std::ifstream in(file, std::ios::binary);
  core::require(!error && in.good(), kTag, "{}: cannot be opened: check path and permissions",
                file.string());
  core::require(size <= kLargestFile, kTag,
                "{}: {} bytes is too large for a tokenizer: check the path", file.string(), size);
  nlohmann::json value;
  try {
    // From memory: the parser takes a stream character by character.
    std::string text(static_cast<std::size_t>(size), '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    // By pointers, which no other file does: else the linker may take the parser of a file that is
    // built without optimisation.
    value = nlohmann::json::parse(text.data(), text.data() + text.size());
  } catch (const nlohmann::json::parse_error& mistake) {
    core::fail(kTag, "{}: not valid JSON at byte {}: the file is damaged, fetch it again",
               file.string(), mistake.byte);
  } catch (const nlohmann::json::exception&) {
    core::fail(kTag, "{}: not valid JSON: a number is out of range", file.string());
  }
  core::require(value.is_object(), kTag, "{}: expected a JSON object, found {}", file.string(),
                value.type_name());
  return value;
}

JsonView JsonView::member(std::string_view name) const {
  const std::string place = fmt::format("{}{}{}", place_, place_.ends_with(": ") ? "" : ".", name);
  const auto found = value_->find(std::string(name));
  return JsonView(found == value_->end() ? kNull : *found, place);
}

JsonView JsonView::element(std::size_t index) const {
  return JsonView(value_->at(index), fmt::format("{}[{}]", place_, index));
}

bool JsonView::is_null() const {
  return value_->is_null();
}

std::size_t JsonView::size() const {
  return value_->size();
}

void JsonView::fail(std::string_view message) const {
  throw core::UserError(kTag, fmt::format("{}: {}", place_, message));
}

const JsonView& JsonView::expect_object() const {
  if (!value_->is_object()) fail(fmt::format("expected an object, found {}", value_->type_name()));
  return *this;
}

const JsonView& JsonView::expect_array() const {
  if (!value_->is_array()) fail(fmt::format("expected an array, found {}", value_->type_name()));
  return *this;
}

const std::string& JsonView::as_string() const {
  if (!value_->is_string()) fail(fmt::format("expected a string, found {}", value_->type_name()));
  return value_->get_ref<const std::string&>();
}

std::int64_t JsonView::as_integer() const {
  if (!value_->is_number_integer()) {
    fail(fmt::format("expected an integer, found {}", value_->type_name()));
  }
  if (value_->is_number_unsigned() &&
      value_->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    fail(fmt::format("{} is out of range", value_->get<std::uint64_t>()));
  }
  return value_->get<std::int64_t>();
}

bool JsonView::as_bool(bool fallback) const {
  if (value_->is_null()) return fallback;
  if (!value_->is_boolean())
    fail(fmt::format("expected true or false, found {}", value_->type_name()));
  return value_->get<bool>();
}

}  // namespace unfold::data
