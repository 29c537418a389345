#include "eval/tasks/recall.h"

#include <algorithm>

#include "core/error.h"
#include "eval/metrics/interval.h"

namespace unfold::eval {

RecallTask::RecallTask(const LoadedRun& run, const EvalSettings& settings, data::SyntheticTask task)
    : gist_(settings.gist), samples_(settings.eval.samples), prompts_(run, settings.gist) {
  options_.task = task;
  options_.split = data::SyntheticSplit::eval;
  options_.seed = settings.seed;
  options_.context = settings.eval.context;
  options_.measure = [tokenizer = run.tokenizer](std::string_view text) {
    return static_cast<std::int64_t>(tokenizer->encode(text).size());
  };
  sample(run, method_from_name("full"), 0);  // a context too small is known now
}

std::int64_t RecallTask::work() const {
  return samples_ * options_.context;
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

std::vector<ResultRow> RecallTask::measure(LoadedRun& run, const Method& method,
                                           const std::function<void(std::int64_t)>& advance) const {
  const data::Tokenizer& tokenizer = *run.tokenizer;
  std::int64_t right = 0;
  std::int64_t keys_read = 0;
  std::int64_t queries = 0;
  std::vector<AnsweredPrompt> batch;
  std::int64_t longest = 0;
  const auto run_batch = [&] {
    if (batch.empty()) return;
    const GreedyMatch match = match_greedy(run.decoder, method, gist_, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      // An id the tokenizer lacks, or a special one, is no text that could go on with the answer.
      const data::TokenId next = match.next[i];
      const bool text = next < tokenizer.vocab_size() && !tokenizer.is_special(next);
      const bool ended = !text || ends_word(tokenizer.token_bytes(next));
      right += match.matches[i] != 0 && ended ? 1 : 0;
    }
    keys_read += match.keys_read;
    queries += match.queries;
    advance(static_cast<std::int64_t>(batch.size()) * options_.context);
    batch.clear();
    longest = 0;
  };
  for (std::int64_t i = 0; i < samples_; ++i) {
    AnsweredPrompt next = sample(run, method, i);
    const auto length = static_cast<std::int64_t>(next.prompt.tokens.size() + next.answer.size());
    const auto rows = static_cast<std::int64_t>(batch.size()) + 1;
    if (rows * std::max(longest, length) > kBatchPositions) run_batch();
    longest = std::max(longest, length);
    batch.push_back(std::move(next));
  }
  run_batch();

  const Interval interval = wilson_interval(right, samples_);
  ResultRow row;
  row.task = data::name_of(options_.task);
  row.metric = "exact_match";
  row.value = static_cast<double>(right) / static_cast<double>(samples_);
  row.n = samples_;
  row.low = interval.low;
  row.high = interval.high;
  row.attended = static_cast<double>(keys_read) / static_cast<double>(queries);
  return {row};
}

bool ends_word(std::string_view following) {
  if (following.empty()) return true;
  const auto byte = static_cast<unsigned char>(following.front());
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
  return !letter && !(byte >= '0' && byte <= '9');
}

}  // namespace unfold::eval
