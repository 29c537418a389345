// Documents about invented towns, people and firms: facts that no model has seen, told in plain
// English, one fact a sentence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/counter_random.h"

namespace unfold::eval {

struct InventedFact {
  std::string question;  // "On which river does Velmora lie?"
  std::string answer;    // "Korrin"
};

struct InventedDocument {
  std::string title;  // name of what it is about
  std::string text;   // a paragraph, without a line end
  std::vector<InventedFact> facts;
  // Of a document about a town or firm: who founded it.
  std::string founder;
};

enum class InventedSubject : std::uint8_t { town, person, firm };

// A function of the stream alone. name: of what it is about; empty: invented as well.
InventedDocument invent_document(InventedSubject subject, data::CounterRandom& random,
                                 std::string name = {});
// The same about a subject drawn from the stream.
InventedDocument invent_document(data::CounterRandom& random);

// A question with documents of which some answer it; the others are distractors. With it, every
// task on retrieved documents can be tried where there is no data set.
struct InventedQuestion {
  std::string question;
  std::string answer;
  std::vector<InventedDocument> documents;
  std::vector<std::int64_t> gold;  // indices of the documents needed, that with the answer last
};

// Question `index` of a seed, with `documents` documents, the one with the answer at `gold_index`.
// The answer occurs once in its document and in no other one, and no two documents are about the
// same. hops 1: the
// question names what the document is about. hops 2: the question is on the founder of a town or
// firm, named in one document, told of in another one; that takes two documents or more.
// 0 <= gold_index < documents, 1 <= hops <= 2.
InventedQuestion invent_question(std::uint64_t seed, std::uint64_t index, std::int64_t documents,
                                 std::int64_t gold_index, int hops = 1);

}  // namespace unfold::eval
