// Record: a context and questions on it with their answers, for supervised finetuning (METHOD.md
// sections 3 and 7). One JSON object a line:
//
//   {"system": "...",                                  optional
//    "context": "...",                                 or a list of segments: ["...", "..."]
//    "documents": [{"title": "...", "text": "..."}],   instead of "context"; the title is optional
//    "question": "...", "answer": "...",
//    "questions": [{"question": "...", "answer": "..."}]}   instead of these two
//
// The system prompt and every context segment or document are segments of their own: each is
// tokenized alone and closed by gists of all levels. What follows is raw (the suffix), question
// after question:
//
//   QUESTION, " " + ANSWER, end-of-text token
//
// A question and " " + its answer are tokenized apart, so that the question has the same tokens
// when there is no answer yet. System prompt, context and questions are taken as they are: line
// ends and cues such as "\nAnswer:" belong to the data. A document becomes
//
//   Document [NUMBER](Title: TITLE) TEXT\n           or, without a title,  Document [NUMBER] TEXT\n
//
// numbered from 1 in their order (METHOD.md section 11: number, title and text).
//
// With links (gist.links, METHOD.md section 8) every document or context segment is a document of
// its own with link tokens behind it, and the system prompt is raw.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::data {

struct Question {
  std::string question;  // ends without a space
  std::string answer;    // what follows it, behind one space
  bool operator==(const Question&) const = default;
};

struct Record {
  std::vector<std::string> segments;  // rendered; none is empty
  std::vector<Question> questions;    // at least one
  bool has_system = false;            // the first segment is the system prompt
  bool operator==(const Record&) const = default;
};

// Reads one line (valid UTF-8). Throws core::UserError, "PLACE: what is wrong: what to do", for
// anything that is not such an object: invalid JSON, an unknown, missing or repeated member, a
// wrong type, and text of nothing but white space.
Record parse_record(std::string_view line, std::string_view place);

// A document of a context as it is rendered (above). number: from 1; title: may be empty.
std::string document_text(std::int64_t number, std::string_view title, std::string_view text);

// The line, without its end, that reads back as this context with these questions.
std::string record_json(std::string_view context, const std::vector<Question>& questions);

}  // namespace unfold::data
