#include "eval/tasks/generation_task.h"

#include "core/error.h"
#include "data/text.h"
#include "eval/token_text.h"
#include "eval/unfolded.h"
#include "models/greedy_batch.h"

namespace unfold::eval {
namespace {

// The text of an answer. A model's vocabulary may be wider than its tokenizer's.
std::string answer_text(const data::Tokenizer& tokenizer, const models::Generated& generated) {
  std::string text;
  std::vector<data::TokenId> known;
  for (const data::TokenId token : generated.tokens) {
    if (token < tokenizer.vocab_size()) known.push_back(token);
  }
  if (known.size() == generated.tokens.size()) {
    text = tokenizer.decode(known);
  } else {
    for (const data::TokenId token : generated.tokens) text += token_text(tokenizer, token);
  }
  text.resize(text.size() - std::min(text.size(), generated.stop_bytes));
  return data::replace_invalid_utf8(text);
}

}  // namespace

GenerationTask::GenerationTask(std::string name, const LoadedRun& run, const EvalSettings& settings)
    : SampledTask(std::move(name), settings),
      tokenizer_(run.tokenizer),
      gist_(settings.gist),
      prompts_(run, settings.gist),
      traces_(settings.eval.unfolded) {}

void GenerationTask::predict(LoadedRun& run, const Method& method,
                             std::span<const std::int64_t> indices,
                             const std::function<void(Prediction)>& done) const {
  std::vector<GenerationSample> samples;
  std::vector<models::GreedyPrompt> prompts;
  for (const std::int64_t i : indices) {
    samples.push_back(sample(i));
    const GenerationSample& one = samples.back();
    std::vector<std::span<const data::TokenId>> segments(one.segments.begin(), one.segments.end());
    models::GreedyPrompt prompt;
    prompt.prompt = prompts_.build(method, segments, one.suffix, one.system);
    prompt.max_tokens = one.max_new_tokens;
    prompt.ends = one.stop.tokens;
    prompt.ends.push_back(tokenizer_->eos());
    prompt.stop = one.stop.strings;
    prompt.min_tokens = one.stop.min_new_tokens;
    prompts.push_back(std::move(prompt));
  }
  models::GreedyOptions options;
  options.text_of = [this](data::TokenId token) { return token_text(*tokenizer_, token); };
  options.prefill_positions = kBatchPositions;
  models::Engine engine(run.decoder, gist_, method.policy);
  models::generate_greedily(
      engine, prompts, options, [&](std::size_t at, models::GreedyAnswer answer) {
        const GenerationSample& one = samples[at];
        const models::Prompt& prompt = prompts[at].prompt;
        const bool ended = answer.generated.finish == models::FinishReason::eos;
        Prediction prediction;
        prediction.pred = answer_text(*tokenizer_, answer.generated);
        prediction.answers = one.answers;
        prediction.all_classes = one.all_classes;
        prediction.length = one.length;
        prediction.id = one.id;
        prediction.index = indices[at];
        prediction.scores = score(one, prediction.pred);
        prediction.attended = answer.reads.keys_per_query();
        prediction.seconds = answer.seconds;
        prediction.prompt_tokens = static_cast<std::int64_t>(prompt.tokens.size());
        prediction.new_tokens =
            static_cast<std::int64_t>(answer.generated.tokens.size()) + (ended ? 1 : 0);
        prediction.question = one.question;
        prediction.tags = one.tags;
        if (prediction.index < traces_) {
          prediction.unfolded = most_unfolded(run, method, gist_, prompt, answer.generated.tokens);
        }
        done(std::move(prediction));
      });
}

}  // namespace unfold::eval
