#include "eval/metrics/prediction_lines.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "data/text.h"

namespace unfold::eval {
namespace {

using nlohmann::json;

constexpr std::string_view kTag = "predictions";

// The member, or null.
const json& member(const json& object, const char* name) {
  static const json none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

std::vector<std::string> texts(const json& value, const char* name, const std::string& place) {
  const auto is_text = [](const json& one) { return one.is_string(); };
  core::require(value.is_array() && std::all_of(value.begin(), value.end(), is_text), kTag,
                "{}: expected a list of texts in {}: found {}", place, name, value.type_name());
  std::vector<std::string> list;
  for (const json& one : value) list.push_back(one.get<std::string>());
  return list;
}

PredictionLine parse_line(std::string_view line, const std::string& place) {
  core::require(data::find_invalid_utf8(line) == line.npos, kTag,
                "{}: not UTF-8: convert the file to UTF-8", place);
  const json object = json::parse(line, nullptr, false);
  core::require(object.is_object(), kTag, "{}: expected a JSON object: found {}", place,
                object.is_discarded() ? "no valid JSON" : object.type_name());
  PredictionLine result;
  const json& pred = member(object, "pred");
  core::require(pred.is_string(), kTag, "{}: expected text in pred: found {}", place,
                pred.type_name());
  result.sample.pred = pred.get<std::string>();
  result.sample.answers = texts(member(object, "answers"), "answers", place);
  const json& classes = member(object, "all_classes");
  if (!classes.is_null()) result.sample.all_classes = texts(classes, "all_classes", place);
  const json& length = member(object, "length");
  result.has_length = !length.is_null();
  if (result.has_length) {
    constexpr double kLongest = 1e15;
    core::require(length.is_number() && std::abs(length.get<double>()) <= kLongest, kTag,
                  "{}: expected a number of words in length: found {}", place, length.type_name());
    result.sample.length = static_cast<std::int64_t>(std::floor(length.get<double>()));
  }
  return result;
}

std::string place_of(const std::filesystem::path& file, std::int64_t line) {
  return fmt::format("{}:{}", file.string(), line);
}

}  // namespace

std::vector<PredictionLine> read_prediction_lines(const std::filesystem::path& file) {
  const std::string text = core::read_text_file(file);
  std::vector<PredictionLine> lines;
  std::int64_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    lines.push_back(parse_line(line, place_of(file, number)));
    lines.back().line = number;
  }
  core::require(!lines.empty(), kTag, "{}: holds no prediction: give a file of JSON lines",
                file.string());
  return lines;
}

std::vector<double> score_lines(const DatasetMetric& metric,
                                const std::vector<PredictionLine>& lines,
                                const std::filesystem::path& file) {
  std::vector<double> scores;
  for (const PredictionLine& line : lines) {
    ScoredSample sample = line.sample;
    sample.all_classes = lines.back().sample.all_classes;
    try {
      scores.push_back(metric.score(sample));
    } catch (const core::UserError& error) {
      std::string_view message = error.what();
      message.remove_prefix(std::min(message.find("] ") + 2, message.size()));
      core::fail(kTag, "{}: {}", place_of(file, line.line), message);
    }
  }
  return scores;
}

}  // namespace unfold::eval
