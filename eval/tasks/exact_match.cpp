#include "eval/tasks/exact_match.h"

#include <algorithm>

#include "eval/metrics/interval.h"

namespace unfold::eval {

ExactMatchTask::ExactMatchTask(std::string name, const EvalSettings& settings)
    : name_(std::move(name)),
      gist_(settings.gist),
      samples_(settings.eval.samples),
      positions_(settings.eval.context) {}

std::int64_t ExactMatchTask::work() const {
  return samples_ * positions_;
}

std::vector<ResultRow> ExactMatchTask::measure(LoadedRun& run, const Method& method,
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
    advance(static_cast<std::int64_t>(batch.size()) * positions_);
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
  row.task = name_;
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
