#include "models/formats/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"

namespace unfold::models {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kTag = "safetensors";
constexpr int kDeepest = 3;  // header, tensor, shape
constexpr std::size_t kMostDimensions = 8;
constexpr std::int64_t kLargestDimension = std::int64_t{1} << 40;

// Bits of one element; 0 for a type the format does not have.
std::int64_t bits_of(const std::string& type) {
  static const std::map<std::string, std::int64_t> bits = {
      {"F64", 64}, {"F32", 32},    {"F16", 16},    {"BF16", 16}, {"I64", 64}, {"I32", 32},
      {"I16", 16}, {"I8", 8},      {"U64", 64},    {"U32", 32},  {"U16", 16}, {"U8", 8},
      {"BOOL", 8}, {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"C64", 64}};
  const auto found = bits.find(type);
  return found == bits.end() ? 0 : found->second;
}

// Parses with what nlohmann leaves out: a limit on depth, and no key twice in an object.
Json parse(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
      keys.emplace_back();
      core::require(keys.size() <= kDeepest, kTag,
                    "{}: its header is nested too deeply: not a safetensors file", file);
    } else if (event == Json::parse_event_t::object_end ||
               event == Json::parse_event_t::array_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      core::require(keys.back().insert(key).second, kTag,
                    "{}: {} stands twice in its header: the file is damaged", file,
                    Json(key).dump());
    }
    return true;
  };
  try {
    Json json = Json::parse(text.begin(), text.end(), watch);
    core::require(json.is_object(), kTag, "{}: its header is no JSON object: is it safetensors?",
                  file);
    return json;
  } catch (const Json::parse_error& error) {
    core::fail(kTag, "{}: its header is not JSON (byte {}): the file is damaged, fetch it again",
               file, error.byte);
  } catch (const Json::exception&) {
    core::fail(kTag, "{}: its header holds a number out of range: the file is damaged", file);
  }
}

bool is_count(const Json& value, std::uint64_t most) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() <= most;
}

SafetensorsEntry read_entry(const std::string& name, const Json& json, std::size_t data_bytes,
                            const std::string& file) {
  const auto require = [&](bool condition, const auto& what) {
    core::require(condition, kTag, "{}: tensor {}: {}: the file is damaged, fetch it again", file,
                  Json(name).dump(), what());
  };
  const auto text = [](const char* what) { return [what] { return std::string(what); }; };
  require(json.is_object() && json.size() == 3 && json.contains("dtype") &&
              json.contains("shape") && json.contains("data_offsets"),
          text("expected dtype, shape and data_offsets"));
  SafetensorsEntry entry;
  entry.name = name;
  require(json["dtype"].is_string(), text("its dtype is no text"));
  entry.type = json["dtype"].get<std::string>();
  const std::int64_t bits = bits_of(entry.type);
  require(bits > 0, [&] { return fmt::format("unknown dtype {}", json["dtype"].dump()); });
  const Json& shape = json["shape"];
  require(shape.is_array() && shape.size() <= kMostDimensions,
          text("its shape is no list of at most 8 numbers"));
  std::int64_t bytes = bits / 8;
  for (const Json& extent : shape) {
    require(is_count(extent, kLargestDimension),
            [&] { return fmt::format("its shape holds {}", extent.dump()); });
    entry.shape.push_back(extent.get<std::int64_t>());
    require(!__builtin_mul_overflow(bytes, entry.shape.back(), &bytes),
            text("its shape is too large for any file"));
  }
  const Json& offsets = json["data_offsets"];
  require(offsets.is_array() && offsets.size() == 2 && is_count(offsets[0], data_bytes) &&
              is_count(offsets[1], data_bytes) &&
              offsets[0].get<std::size_t>() <= offsets[1].get<std::size_t>(),
          [&] {
            return fmt::format("offsets {} lie outside of the {} bytes that follow the header",
                               offsets.dump(), data_bytes);
          });
  entry.begin = offsets[0].get<std::size_t>();
  entry.size = offsets[1].get<std::size_t>() - entry.begin;
  require(entry.size == static_cast<std::size_t>(bytes), [&] {
    return fmt::format("{} of shape {} take {} bytes, its offsets span {}", entry.type,
                       core::to_string(entry.shape), bytes, entry.size);
  });
  return entry;
}

}  // namespace

std::vector<SafetensorsEntry> parse_safetensors_header(std::string_view text,
                                                       std::size_t data_bytes,
                                                       const std::string& file) {
  const Json json = parse(text, file);
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") entries.push_back(read_entry(name, value, data_bytes, file));
  }
  std::sort(entries.begin(), entries.end(),
            [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
              return std::pair(a.begin, a.size) < std::pair(b.begin, b.size);
            });
  std::size_t end = 0;
  for (const SafetensorsEntry& entry : entries) {
    core::require(entry.begin == end, kTag,
                  "{}: tensor {}: begins at byte {} where the one before ends at {}: the file is "
                  "damaged, fetch it again",
                  file, Json(entry.name).dump(), entry.begin, end);
    end += entry.size;
  }
  core::require(
      end == data_bytes, kTag,
      "{}: its tensors take {} bytes, {} follow the header: the file is damaged, fetch it "
      "again",
      file, end, data_bytes);
  return entries;
}

}  // namespace unfold::models
