#include "eval/predictions/prediction.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace unfold::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTag = "predictions";
constexpr std::string_view kRemedy = "give a file of predictions, one JSON object a line";

// A line read member by member.
class Line {
 public:
  Line(std::string_view text, std::string_view place) : place_(place) {
    const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
      // A hostile line must not cost the stack of a destructor.
      core::require(depth <= 8, kTag, "{}: lists or objects nested too deep: {}", place_, kRemedy);
      return true;
    };
    try {
      json_ = Json::parse(text, shallow);
    } catch (const Json::exception&) {
      core::fail(kTag, "{}: not valid JSON: {}", place_, kRemedy);
    }
    core::require(json_.is_object(), kTag, "{}: not an object: {}", place_, kRemedy);
  }

  // nullptr when it is not there, or null.
  const Json* find(const char* member) const {
    const auto found = json_.find(member);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json& at(const char* member) const {
    const Json* found = find(member);
    core::require(found != nullptr, kTag, "{}: \"{}\" is missing: {}", place_, member, kRemedy);
    return *found;
  }

  std::string text(const Json& value, const char* member) const {
    require(value.is_string(), member, "text");
    return value.get<std::string>();
  }
  std::vector<std::string> texts(const Json& value, const char* member) const {
    require(value.is_array(), member, "a list of texts");
    std::vector<std::string> result;
    for (const Json& entry : value) result.push_back(text(entry, member));
    return result;
  }
  double number(const Json& value, const char* member) const {
    require(value.is_number() && std::isfinite(value.get<double>()), member, "a number");
    return value.get<double>();
  }
  double number_or(const char* member, double otherwise) const {
    const Json* found = find(member);
    return found == nullptr ? otherwise : number(*found, member);
  }
  std::int64_t count_or(const char* member, std::int64_t otherwise) const {
    const double value = number_or(member, static_cast<double>(otherwise));
    require(std::abs(value) < 9e15, member, "a number of things");
    return static_cast<std::int64_t>(value);
  }
  std::string text_or(const char* member) const {
    const Json* found = find(member);
    return found == nullptr ? "" : text(*found, member);
  }

  void require(bool condition, const char* member, const char* what) const {
    core::require(condition, kTag, "{}: \"{}\" is not {}: {}", place_, member, what, kRemedy);
  }

 private:
  std::string_view place_;
  Json json_;
};

void read_scores(const Line& line, Prediction& prediction) {
  if (const Json* scores = line.find("scores")) {
    line.require(scores->is_object(), "scores", "an object of numbers");
    for (const auto& score : scores->items()) {
      prediction.scores.push_back({score.key(), line.number(score.value(), "scores")});
    }
  } else if (line.find("metric") != nullptr && line.find("score") != nullptr) {
    prediction.scores.push_back({line.text_or("metric"), line.number_or("score", 0)});
  }
}

void read_unfolded(const Line& line, Prediction& prediction) {
  const Json* chunks = line.find("unfolded");
  if (chunks == nullptr) return;
  line.require(chunks->is_array(), "unfolded", "a list");
  for (const Json& chunk : *chunks) {
    line.require(chunk.is_object() && chunk.contains("text") && chunk.contains("share"), "unfolded",
                 "a list of objects with text and share");
    prediction.unfolded.push_back(
        {line.text(chunk["text"], "unfolded"), line.number(chunk["share"], "unfolded")});
  }
}

}  // namespace

std::string to_json_line(const Prediction& one) {
  Json json = {{"pred", one.pred}, {"answers", one.answers}};
  json["all_classes"] = one.all_classes ? Json(*one.all_classes) : Json();
  json["length"] = one.length;
  json["id"] = one.id;
  json["index"] = one.index;
  if (!one.scores.empty()) {
    json["metric"] = one.scores.front().metric;
    json["score"] = one.scores.front().value;
    Json scores = Json::object();
    for (const SampleScore& score : one.scores) scores[score.metric] = score.value;
    json["scores"] = std::move(scores);
  }
  json["attended"] = one.attended;
  json["seconds"] = one.seconds;
  json["prompt_tokens"] = one.prompt_tokens;
  json["new_tokens"] = one.new_tokens;
  json["question"] = one.question;
  if (!one.tags.empty()) json["tags"] = one.tags;
  if (!one.unfolded.empty()) {
    Json chunks = Json::array();
    for (const UnfoldedChunk& chunk : one.unfolded) {
      chunks.push_back({{"text", chunk.text}, {"share", chunk.share}});
    }
    json["unfolded"] = std::move(chunks);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Prediction parse_prediction(std::string_view text, std::string_view place) {
  const Line line(text, place);
  Prediction prediction;
  prediction.pred = line.text(line.at("pred"), "pred");
  prediction.answers = line.texts(line.at("answers"), "answers");
  if (const Json* classes = line.find("all_classes")) {
    prediction.all_classes = line.texts(*classes, "all_classes");
  }
  prediction.length = line.count_or("length", 0);
  prediction.id = line.text_or("id");
  prediction.index = line.count_or("index", 0);
  read_scores(line, prediction);
  prediction.attended = line.number_or("attended", 0);
  prediction.seconds = line.number_or("seconds", 0);
  prediction.prompt_tokens = line.count_or("prompt_tokens", 0);
  prediction.new_tokens = line.count_or("new_tokens", 0);
  prediction.question = line.text_or("question");
  if (const Json* tags = line.find("tags")) {
    line.require(tags->is_object(), "tags", "an object of numbers");
    for (const auto& tag : tags->items()) {
      prediction.tags[tag.key()] = line.number(tag.value(), "tags");
    }
  }
  read_unfolded(line, prediction);
  return prediction;
}

}  // namespace unfold::eval
