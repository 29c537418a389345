// Questions on documents, as they are read and as they are generated:
//
//   {"id": "...", "question": "...", "answers": ["..."],
//    "documents": [{"title": "...", "text": "..."}]}       or "ctxs" instead of "documents"
//
// "id" and titles are optional. Which documents are needed for the answer ("gold") is told by
// "isgold": true of a document, or by a list of titles, "gold_titles"; it need not be told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/records/json_record.h"

namespace unfold::eval {

struct RagDocument {
  std::string title;  // may be empty
  std::string text;
  bool gold = false;
};

struct RagRecord {
  std::string id;
  std::string question;
  std::vector<std::string> answers;    // at least one
  std::vector<RagDocument> documents;  // at least one

  // Index of the first gold document; -1: it is not told.
  std::int64_t gold() const;
  // Puts the first gold document at `index`, clipped to what there is; the others keep their order.
  void move_gold(std::int64_t index);
};

// Throws core::UserError for a record that lacks something, has a member of another type, or a
// question, answer or document that is empty.
RagRecord parse_rag_record(const JsonRecord& json);

// Question `index` of a seed, about things that do not exist, with so many documents, of which one
// answers it: what is measured where no records are named. gold: where it stands, clipped.
RagRecord generate_rag_record(std::uint64_t seed, std::int64_t index, std::int64_t documents,
                              std::int64_t gold);

}  // namespace unfold::eval
