#include "eval/rag/rag_record.h"

#include <fmt/core.h>

#include <algorithm>

#include "eval/probes/invented_facts.h"

namespace unfold::eval {

std::int64_t RagRecord::gold() const {
  const auto found = std::find_if(documents.begin(), documents.end(),
                                  [](const RagDocument& document) { return document.gold; });
  return found == documents.end() ? -1 : found - documents.begin();
}

void RagRecord::move_gold(std::int64_t index) {
  const std::int64_t from = gold();
  if (from < 0) return;
  const std::int64_t to =
      std::clamp<std::int64_t>(index, 0, static_cast<std::int64_t>(documents.size()) - 1);
  RagDocument moved = std::move(documents[static_cast<std::size_t>(from)]);
  documents.erase(documents.begin() + from);
  documents.insert(documents.begin() + to, std::move(moved));
}

RagRecord parse_rag_record(const JsonRecord& json) {
  RagRecord record;
  if (json.has("id")) record.id = json.text("id");
  record.question = json.filled_text("question");
  record.answers = json.texts("answers");
  if (record.answers.empty()) json.fail("\"answers\" is empty: give one at least");
  for (const std::string& answer : record.answers) {
    if (answer.find_first_not_of(" \t\r\n") == std::string::npos) {
      json.fail("an answer is empty: fill it or remove it");
    }
  }
  const bool documents = json.has("documents");
  if (documents && json.has("ctxs")) {
    json.fail("both \"documents\" and \"ctxs\": give one of them");
  }
  if (!documents && !json.has("ctxs")) {
    json.fail("no context: give \"documents\", or \"ctxs\"");
  }
  std::vector<std::string> gold_titles;
  if (json.has("gold_titles")) gold_titles = json.texts("gold_titles");
  for (const JsonRecord& one : json.objects(documents ? "documents" : "ctxs")) {
    RagDocument document;
    if (one.has("title")) document.title = one.text("title");
    document.text = one.filled_text("text");
    document.gold =
        (one.has("isgold") && one.integer("isgold") != 0) ||
        std::find(gold_titles.begin(), gold_titles.end(), document.title) != gold_titles.end();
    record.documents.push_back(std::move(document));
  }
  if (record.documents.empty()) json.fail("the list of documents is empty: fill it");
  return record;
}

RagRecord generate_rag_record(std::uint64_t seed, std::int64_t index, std::int64_t documents,
                              std::int64_t gold) {
  const std::int64_t at = std::clamp<std::int64_t>(gold, 0, documents - 1);
  InventedQuestion invented =
      invent_question(seed, static_cast<std::uint64_t>(index), documents, at);
  RagRecord record;
  record.id = fmt::format("{}", index);
  record.question = std::move(invented.question);
  record.answers = {std::move(invented.answer)};
  for (InventedDocument& document : invented.documents) {
    record.documents.push_back({std::move(document.title), std::move(document.text), false});
  }
  record.documents[static_cast<std::size_t>(at)].gold = true;
  return record;
}

}  // namespace unfold::eval
