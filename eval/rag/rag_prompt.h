// The prompt of a question on documents. Each document is a segment of its own, rendered with its
// number, title and text as records of training are (data/records/record.h):
//
//   eval.rag.system | Document [1](Title: ...) ... | ... | eval.rag.question
//
// The question stays raw, and so does the system prompt with links. So a model finetuned on records
// is asked just as it was taught when both texts are those of the records. With eval.rag.chat all
// of it is the message of a user in the run's chat template: its head goes into the system prompt,
// its tail behind the question.
#pragma once

#include <optional>
#include <vector>

#include "data/chat_template.h"
#include "eval/rag/rag_record.h"
#include "eval/tasks/generation_task.h"

namespace unfold::eval {

class RagPrompt {
 public:
  // Throws core::UserError: a question text without {question} or with other braces, a run without
  // a chat template.
  RagPrompt(const LoadedRun& run, const RagConfig& config);

  GenerationSample make(const RagRecord& record) const;
  // What the prompts depend on, for SampledTask::settings().
  std::string settings() const;

 private:
  std::string question_text(const RagRecord& record) const;

  const data::Tokenizer& tokenizer_;
  RagConfig config_;
  std::optional<data::ChatTemplate> chat_;
  StopRule stop_;  // of the chat
};

}  // namespace unfold::eval
