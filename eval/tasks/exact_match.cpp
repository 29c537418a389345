#include "eval/tasks/exact_match.h"

#include <algorithm>
#include <chrono>

#include "data/text.h"
#include "eval/metrics/interval.h"
#include "eval/token_text.h"

namespace unfold::eval {
namespace {

constexpr const char* kMetric = "exact_match";

std::string text_of(const data::Tokenizer& tokenizer, std::span<const data::TokenId> tokens) {
  std::string text;
  for (const data::TokenId token : tokens) text += token_text(tokenizer, token);
  return data::replace_invalid_utf8(text);
}

}  // namespace

ExactMatchTask::ExactMatchTask(std::string name, const EvalSettings& settings)
    : SampledTask(std::move(name), settings),
      gist_(settings.gist),
      samples_(settings.eval.samples),
      positions_(settings.eval.context) {}

void ExactMatchTask::predict(LoadedRun& run, const Method& method,
                             std::span<const std::int64_t> indices,
                             const std::function<void(Prediction)>& done) const {
  using Clock = std::chrono::steady_clock;
  const data::Tokenizer& tokenizer = *run.tokenizer;
  std::vector<AnsweredPrompt> batch;
  for (const std::int64_t i : indices) batch.push_back(sample(run, method, i));
  const auto began = Clock::now();
  const GreedyMatch match = match_greedy(run.decoder, method, gist_, batch);
  const std::chrono::duration<double> seconds = Clock::now() - began;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    // An id the tokenizer lacks, or a special one, is no text that could go on with the answer.
    const data::TokenId next = match.next[i];
    const bool text = next < tokenizer.vocab_size() && !tokenizer.is_special(next);
    const bool ended = !text || ends_word(tokenizer.token_bytes(next));
    const bool right = match.matches[i] != 0 && ended;
    const AnsweredPrompt& one = batch[i];
    const std::span<const data::TokenId> prompt = one.prompt.tokens;
    Prediction prediction;
    // Of a right answer, what follows is not part.
    prediction.pred = right ? text_of(tokenizer, one.answer) : text_of(tokenizer, match.greedy[i]);
    std::string answer = text_of(tokenizer, one.answer);
    if (answer.starts_with(' ')) answer.erase(0, 1);
    prediction.answers = {std::move(answer)};
    prediction.index = indices[i];
    prediction.scores = {{kMetric, right ? 1.0 : 0.0}};
    prediction.attended = match.reads[i].keys_per_query();
    prediction.seconds = seconds.count() / static_cast<double>(batch.size());
    prediction.prompt_tokens = static_cast<std::int64_t>(prompt.size());
    prediction.new_tokens = static_cast<std::int64_t>(one.answer.size()) + 1;
    prediction.question =
        text_of(tokenizer, prompt.subspan(static_cast<std::size_t>(one.prompt.suffix)));
    done(std::move(prediction));
  }
}

std::vector<ResultRow> ExactMatchTask::rows(std::span<const Prediction> predictions) const {
  ResultRow row = common_row(predictions);
  std::int64_t right = 0;
  for (const Prediction& prediction : predictions) {
    right += !prediction.scores.empty() && prediction.scores.front().value > 0 ? 1 : 0;
  }
  const Interval interval = wilson_interval(right, row.n);
  row.metric = kMetric;
  row.value = static_cast<double>(right) / static_cast<double>(row.n);
  row.low = interval.low;
  row.high = interval.high;
  return {row};
}

bool ends_word(std::string_view following) {
  if (following.empty()) return true;
  const auto byte = static_cast<unsigned char>(following.front());
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
  return !letter && !(byte >= '0' && byte <= '9');
}

}  // namespace unfold::eval
