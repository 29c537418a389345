#include "eval/results.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"

namespace unfold::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRemedy = "evaluate the run again (unfold eval)";

std::string compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
  return std::string("g++ ") + __VERSION__;
#else
  return "unknown";
#endif
}

Json to_json(const ResultRow& row) {
  Json json = {{"task", row.task},     {"method", row.method}, {"ratio", row.ratio},
               {"metric", row.metric}, {"value", row.value},   {"n", row.n},
               {"low", row.low},       {"high", row.high},     {"attended", row.attended}};
  if (row.samples_per_second > 0) json["samples_per_second"] = row.samples_per_second;
  if (row.skipped > 0) json["skipped"] = row.skipped;
  return json;
}

// One object of the file, read field by field; `where` names it in errors.
class Reader {
 public:
  Reader(const Json& json, std::string file, std::string where)
      : json_(json), file_(std::move(file)), where_(std::move(where)) {
    core::require(json.is_object(), "results", "{}: {} is not an object: {}", file_, where_,
                  kRemedy);
  }

  std::string text(const char* key) const {
    const Json& field = at(key);
    core::require(field.is_string(), "results", "{}: {}: '{}' is not a text: {}", file_, where_,
                  key, kRemedy);
    return field.get<std::string>();
  }

  // null stands for a number that is not finite.
  double number(const char* key) const {
    const Json& field = at(key);
    if (field.is_null()) return std::numeric_limits<double>::quiet_NaN();
    core::require(field.is_number(), "results", "{}: {}: '{}' is not a number: {}", file_, where_,
                  key, kRemedy);
    return field.get<double>();
  }

  std::int64_t count(const char* key) const {
    const Json& field = at(key);
    core::require(field.is_number_integer() && field >= 0 &&
                      field <= std::numeric_limits<std::int64_t>::max(),
                  "results", "{}: {}: '{}' is not a whole number from 0: {}", file_, where_, key,
                  kRemedy);
    return field.get<std::int64_t>();
  }

  const Json& at(const char* key) const {
    const auto found = json_.find(key);
    core::require(found != json_.end(), "results", "{}: {}: '{}' is missing: {}", file_, where_,
                  key, kRemedy);
    return *found;
  }

  bool has(const char* key) const { return json_.contains(key); }

 private:
  const Json& json_;
  std::string file_;
  std::string where_;
};

ResultRow row_from(const Reader& reader) {
  ResultRow row;
  row.task = reader.text("task");
  row.method = reader.text("method");
  row.ratio = reader.number("ratio");
  row.metric = reader.text("metric");
  row.value = reader.number("value");
  row.n = reader.count("n");
  row.low = reader.number("low");
  row.high = reader.number("high");
  row.attended = reader.number("attended");
  if (reader.has("samples_per_second")) {
    row.samples_per_second = reader.number("samples_per_second");
  }
  if (reader.has("skipped")) row.skipped = reader.count("skipped");
  return row;
}

}  // namespace

void write_results(const std::filesystem::path& file, const Results& results) {
  Json rows = Json::array();
  for (const ResultRow& row : results.rows) rows.push_back(to_json(row));
  Json json = {{"rows", std::move(rows)},
               {"versions", {{"unfold", results.version}, {"compiler", compiler()}}},
               {"config", results.config_yaml},
               {"step", results.step}};
  if (results.parameters > 0) json["parameters"] = results.parameters;
  core::write_file_atomically(file,
                              json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Results read_results(const std::filesystem::path& file) {
  const std::string name = file.string();
  Json json;
  try {
    json = Json::parse(core::read_text_file(file));
  } catch (const Json::parse_error& error) {
    core::fail("results", "{}: not JSON at byte {}: {}", name, error.byte, kRemedy);
  }
  const Reader top(json, name, "the file");
  const Json& rows = top.at("rows");
  core::require(rows.is_array(), "results", "{}: 'rows' is not a list: {}", name, kRemedy);

  Results results;
  results.rows.reserve(rows.size());
  for (std::size_t index = 0; index < rows.size(); ++index) {
    results.rows.push_back(row_from(Reader(rows[index], name, fmt::format("row {}", index))));
  }
  if (top.has("versions")) {
    const Reader versions(top.at("versions"), name, "'versions'");
    if (versions.has("unfold")) results.version = versions.text("unfold");
    if (versions.has("compiler")) results.compiler = versions.text("compiler");
  }
  if (top.has("config")) results.config_yaml = top.text("config");
  if (top.has("step")) results.step = top.count("step");
  if (top.has("parameters")) results.parameters = top.count("parameters");
  return results;
}

}  // namespace unfold::eval
