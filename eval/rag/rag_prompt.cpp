#include "eval/rag/rag_prompt.h"

#include <fmt/core.h>

#include <array>

#include "core/error.h"
#include "data/records/record.h"
#include "eval/tasks/prompt_limits.h"

namespace unfold::eval {
namespace {

constexpr std::string_view kQuestion = "{question}";

}  // namespace

RagPrompt::RagPrompt(const LoadedRun& run, const RagConfig& config)
    : tokenizer_(*run.tokenizer), config_(config) {
  const std::size_t at = config.question.find(kQuestion);
  core::require(at != std::string::npos, "eval",
                "eval.rag.question has no {{question}}: put it where the question goes");
  for (const std::string& stop : config.stop) {
    core::require(!stop.empty(), "eval", "eval.rag.stop holds an empty text: remove it");
  }
  if (!config.chat) return;
  chat_ = data::load_chat_template(run.folder, tokenizer_);
  core::require(chat_.has_value(), "eval",
                "{}: no chat template: put the model's into chat_template.txt there, or set "
                "eval.rag.chat: false",
                run.folder.string());
  stop_ = chat_stop(tokenizer_, *chat_);
}

std::string RagPrompt::question_text(const RagRecord& record) const {
  std::string text = config_.question;
  text.replace(text.find(kQuestion), kQuestion.size(), record.question);
  return text;
}

GenerationSample RagPrompt::make(const RagRecord& record) const {
  GenerationSample sample;
  sample.id = record.id;
  sample.question = record.question;
  sample.answers = record.answers;
  sample.max_new_tokens = config_.max_new_tokens;
  sample.stop = stop_;
  sample.stop.strings.insert(sample.stop.strings.end(), config_.stop.begin(), config_.stop.end());
  std::string head = config_.system;
  std::string tail = question_text(record);
  if (chat_) {
    // Documents in a message are text that templates leave alone; one of our own stands for them.
    const std::string documents = "Document [1] x\n";
    const std::array<data::ChatMessage, 1> messages = {{{"user", head + documents + tail}}};
    const std::string text = chat_->render(messages, true);
    const std::size_t at = text.rfind(documents);
    core::require(at != std::string::npos, "eval",
                  "the chat template changes what the user says: set eval.rag.chat: false");
    head = text.substr(0, at);
    tail = text.substr(at + documents.size());
  }
  if (!head.empty()) sample.system = tokenizer_.encode(head);
  if (chat_) add_frame(tokenizer_, sample.system);
  std::int64_t number = 0;
  for (const RagDocument& document : record.documents) {
    sample.segments.push_back(
        tokenizer_.encode(data::document_text(++number, document.title, document.text)));
    sample.length += static_cast<std::int64_t>(sample.segments.back().size());
  }
  sample.suffix = tokenizer_.encode(tail);
  const std::int64_t gold = record.gold();
  if (gold >= 0) sample.tags["gold"] = static_cast<double>(gold);
  sample.tags["documents"] = static_cast<double>(record.documents.size());
  return sample;
}

std::string RagPrompt::settings() const {
  return fmt::format("chat template {}\n", chat_ ? chat_->kind() : "none");
}

}  // namespace unfold::eval
