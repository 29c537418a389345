#include "data/records/record.h"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/text_format.h"

namespace unfold::data {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTag = "records";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// Parses one line; every message begins with its place.
class RecordParser {
 public:
  explicit RecordParser(std::string_view place) : place_(place) {}

  Record parse(std::string_view line) const {
    const Json object = read(line);
    require_members(object, "the record",
                    {"system", "context", "documents", "question", "answer", "questions"});
    Record record;
    record.has_system = object.contains("system");
    if (record.has_system) record.segments.push_back(text(object, "system", "\"system\""));
    add_context(object, record);
    add_questions(object, record);
    return record;
  }

 private:
  template <typename... Args>
  void require(bool condition, fmt::format_string<Args...> message, Args&&... args) const {
    if (condition) return;
    core::fail(kTag, "{}: {}", place_, fmt::format(message, std::forward<Args>(args)...));
  }

  Json read(std::string_view line) const {
    std::vector<std::set<std::string>> open;  // members of the objects around the place read
    std::string repeated;
    const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
      // No record is nested so deep; a hostile line must not cost the stack of a destructor.
      require(depth <= 8, "lists or objects nested too deep: see the format of records");
      if (event == Json::parse_event_t::object_start) open.emplace_back();
      if (event == Json::parse_event_t::object_end) open.pop_back();
      if (event == Json::parse_event_t::key) {
        const auto& name = value.get_ref<const std::string&>();
        if (!open.back().insert(name).second) repeated = name;
      }
      return true;
    };
    Json object;
    try {
      object = Json::parse(line, watch);
    } catch (const Json::parse_error& error) {
      core::fail(kTag, "{}: not valid JSON at column {}: write one object a line", place_,
                 error.byte);
    } catch (const Json::exception&) {
      core::fail(kTag, "{}: a number that does not fit: remove it", place_);
    }
    require(repeated.empty(), "member \"{}\" appears twice in one object: keep one", repeated);
    return object;
  }

  // value is an object and has no other members.
  void require_members(const Json& value, std::string_view what,
                       std::initializer_list<std::string_view> known) const {
    require(value.is_object(), "{} is {}, not an object", what, described(value));
    for (const auto& member : value.items()) {
      require(std::find(known.begin(), known.end(), member.key()) != known.end(),
              "{} has an unknown member \"{}\": known are {}", what, member.key().substr(0, 40),
              core::join(known, ", "));
    }
  }

  static std::string_view described(const Json& value) {
    if (value.is_null()) return "null";
    if (value.is_boolean()) return "a boolean";
    if (value.is_number()) return "a number";
    if (value.is_string()) return "text";
    return value.is_array() ? "a list" : "an object";
  }

  std::string text(const Json& value, std::string_view what) const {
    require(value.is_string(), "{} is {}, not text", what, described(value));
    auto result = value.get<std::string>();
    require(!is_blank(result), "{} is empty: fill it or remove the record", what);
    return result;
  }
  std::string text(const Json& object, const char* member, std::string_view what) const {
    require(object.contains(member), "{} is missing: every record needs it", what);
    return text(object[member], what);
  }

  void add_context(const Json& object, Record& record) const {
    const bool documents = object.contains("documents");
    require(documents || object.contains("context"),
            "no context: give \"context\" or \"documents\"");
    require(!documents || !object.contains("context"),
            "both \"context\" and \"documents\": give one of them");
    const char* name = documents ? "documents" : "context";
    const Json& context = object[name];
    if (!documents && context.is_string()) {
      record.segments.push_back(text(context, "\"context\""));
      return;
    }
    require(context.is_array(), "\"{}\" is {}, not {}a list", name, described(context),
            documents ? "" : "text or ");
    require(!context.empty(), "\"{}\" is an empty list: fill it or remove the record", name);
    for (std::size_t i = 0; i < context.size(); ++i) {
      const std::string what = fmt::format("\"{}\" entry {}", name, i + 1);
      record.segments.push_back(documents ? render_document(context[i], i + 1, what)
                                          : text(context[i], what));
    }
  }

  std::string render_document(const Json& document, std::size_t number,
                              const std::string& what) const {
    require_members(document, what, {"title", "text"});
    const std::string body = text(document, "text", fmt::format("the text of {}", what));
    std::string title;
    if (document.contains("title")) {
      require(document["title"].is_string(), "the title of {} is {}, not text", what,
              described(document["title"]));
      title = document["title"].get<std::string>();
    }
    return document_text(static_cast<std::int64_t>(number), title, body);
  }

  void add_questions(const Json& object, Record& record) const {
    if (!object.contains("questions")) {
      record.questions.push_back(
          {text(object, "question", "\"question\""), text(object, "answer", "\"answer\"")});
      return;
    }
    require(!object.contains("question") && !object.contains("answer"),
            "\"questions\" besides \"question\" or \"answer\": give one kind");
    const Json& questions = object["questions"];
    require(questions.is_array(), "\"questions\" is {}, not a list", described(questions));
    require(!questions.empty(), "\"questions\" is an empty list: fill it or remove the record");
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const std::string what = fmt::format("\"questions\" entry {}", i + 1);
      require_members(questions[i], what, {"question", "answer"});
      record.questions.push_back(
          {text(questions[i], "question", fmt::format("the question of {}", what)),
           text(questions[i], "answer", fmt::format("the answer of {}", what))});
    }
  }

  std::string_view place_;
};

}  // namespace

Record parse_record(std::string_view line, std::string_view place) {
  return RecordParser(place).parse(line);
}

std::string document_text(std::int64_t number, std::string_view title, std::string_view text) {
  return is_blank(title) ? fmt::format("Document [{}] {}\n", number, text)
                         : fmt::format("Document [{}](Title: {}) {}\n", number, title, text);
}

std::string record_json(std::string_view context, const std::vector<Question>& questions) {
  Json list = Json::array();
  for (const Question& question : questions) {
    list.push_back({{"question", question.question}, {"answer", question.answer}});
  }
  return Json{{"context", context}, {"questions", std::move(list)}}.dump();
}

}  // namespace unfold::data
