// Questions on documents about invented things, most of them distractors.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "eval/probes/generator.h"
#include "eval/probes/haystack.h"
#include "eval/probes/invented_facts.h"

namespace unfold::eval::probes {
namespace {

std::string rendered(const InventedDocument& document, std::int64_t number) {
  return fmt::format("Document [{}](Title: {}) {}\n", number, document.title, document.text);
}

}  // namespace

ProbeSample make_qa(const Request& request) {
  const std::int64_t tokens = request.options.context_tokens;
  const int hops = request.kind == ProbeKind::qa_two_hops ? 2 : 1;
  const std::uint64_t seed = request.random(Request::Stream::facts).next();
  const auto gold_of = [&](std::int64_t documents) {
    return std::llround(request.depth() * static_cast<double>(documents - 1));
  };
  const auto question_with = [&](std::int64_t documents) {
    return invent_question(seed, 0, documents, gold_of(documents), hops);
  };

  ProbeSample sample;
  sample.instruction =
      "Answer the question from the documents below. Give nothing but the answer.\n\n";
  const auto size_of = [&](const std::vector<std::string>& segments) {
    std::int64_t total = request.count(sample.instruction);
    for (const std::string& segment : segments) total += request.count(segment);
    return total;
  };
  const auto segments_of = [&](const InventedQuestion& question) {
    std::vector<std::string> segments;
    for (const InventedDocument& document : question.documents) {
      segments.push_back(rendered(document, static_cast<std::int64_t>(segments.size()) + 1));
    }
    return segments;
  };
  const std::int64_t more = largest_fitting(tokens, tokens, [&](std::int64_t n) {
    return size_of(segments_of(question_with(hops + n)));
  });
  core::require(more >= 0, kTag,
                "a context of {} tokens does not hold the document asked about: ask for more",
                tokens);
  const InventedQuestion question = question_with(hops + more);
  sample.segments = segments_of(question);
  // What is left, behind the text of the last document.
  std::string last = sample.segments.back();
  last.pop_back();
  sample.segments.pop_back();
  const std::int64_t others = size_of(sample.segments);
  last += closing_sentences(tokens - others, request.count, [&](const std::string& closing) {
    return request.count(last + closing + "\n");
  });
  sample.segments.push_back(last + "\n");

  sample.question = question.question;
  sample.answers = {question.answer};
  const std::int64_t gold = question.gold.back();
  const auto documents = static_cast<std::int64_t>(question.documents.size());
  sample.tags["depth"] = request.depth();
  sample.tags["gold"] = static_cast<double>(gold);
  sample.tags["documents"] = static_cast<double>(documents);
  return sample;
}

}  // namespace unfold::eval::probes
