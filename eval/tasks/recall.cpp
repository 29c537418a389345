#include "eval/tasks/recall.h"

#include <fmt/core.h>

#include "core/error.h"

namespace unfold::eval {

RecallTask::RecallTask(const LoadedRun& run, const EvalSettings& settings, data::SyntheticTask task)
    : ExactMatchTask(std::string(data::name_of(task)), settings), prompts_(run, settings.gist) {
  options_.task = task;
  options_.split = data::SyntheticSplit::eval;
  options_.seed = settings.seed;
  options_.context = settings.eval.context;
  options_.measure = [tokenizer = run.tokenizer](std::string_view text) {
    return static_cast<std::int64_t>(tokenizer->encode(text).size());
  };
  sample(run, method_from_name("full"), 0);  // a context too small is known now
}

std::string RecallTask::settings() const {
  return fmt::format("generated {} of seed {}, {} tokens of context\n", samples(), options_.seed,
                     options_.context);
}

AnsweredPrompt RecallTask::sample(const LoadedRun& run, const Method& method,
                                  std::int64_t i) const {
  data::SyntheticDocument document;
  try {
    document = data::make_document(options_, i);
  } catch (const core::UserError& error) {
    core::fail("eval", "eval.context = {}: {}", options_.context, error.what());
  }
  const auto& [question, answer] = document.questions.front();
  const auto context = run.tokenizer->encode(document.context);
  const auto suffix = run.tokenizer->encode(question);
  AnsweredPrompt result;
  result.prompt = prompts_.build(method, context, suffix);
  result.answer = run.tokenizer->encode(" " + answer);
  return result;
}

}  // namespace unfold::eval
