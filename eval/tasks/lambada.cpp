#include "eval/tasks/lambada.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.h"
#include "data/sha256.h"
#include "data/text.h"
#include "eval/continuation_scores.h"
#include "eval/metrics/interval.h"
#include "eval/records/record_file.h"
#include "eval/token_text.h"

namespace unfold::eval {
namespace {

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

struct Passage {
  std::string context;
  std::string word;
};

Passage parse_passage(const JsonRecord& record) {
  if (!record.has("text") && record.has("continuation")) {
    return {trimmed(record.filled_text("context")), trimmed(record.filled_text("continuation"))};
  }
  const std::string text = trimmed(record.text("text"));
  const std::size_t space = text.rfind(' ');
  if (space == std::string::npos) record.fail("'text' has no word in front of its last one");
  return {text.substr(0, space), text.substr(space + 1)};
}

}  // namespace

LambadaTask::LambadaTask(const LoadedRun& run, const EvalSettings& settings)
    : SampledTask("lambada", settings), gist_(settings.gist), prompts_(run, settings.gist) {
  const EvalConfig& config = settings.eval;
  core::require(
      !config.lambada.empty(), "eval",
      "task lambada reads eval.lambada, which is empty: name a JSONL file of {{\"text\"}} "
      "records there");
  data::Sha256 digest;
  BadRecords bad(config.on_bad_record);
  read_record_file(config.lambada, config.limit, bad, [&](const JsonRecord& json) {
    const Passage passage = parse_passage(json);
    const std::string text = passage.context + " " + passage.word;
    Record record;
    record.id = json.place().substr(json.place().rfind('/') + 1);
    record.text = passage.context;
    record.word = passage.word;
    record.context = run.tokenizer->encode(passage.context);
    const std::vector<data::TokenId> whole = run.tokenizer->encode(text);
    const std::size_t before = record.context.size();
    // What merges across the boundary belongs to the target.
    if (whole.size() > before) {
      record.target.assign(whole.begin() + static_cast<std::ptrdiff_t>(before), whole.end());
      record.context.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(before));
    } else {
      record.target = run.tokenizer->encode(" " + passage.word);
    }
    digest.update(text + "\n");
    records_.push_back(std::move(record));
  });
  skipped_ = bad.skipped();
  digest_ = digest.hex_digest();
}

std::int64_t LambadaTask::size(std::int64_t i) const {
  const Record& record = records_.at(static_cast<std::size_t>(i));
  return static_cast<std::int64_t>(record.context.size() + record.target.size());
}

std::string LambadaTask::settings() const {
  return "lambada 1: " + digest_;
}

void LambadaTask::predict(LoadedRun& run, const Method& method,
                          std::span<const std::int64_t> samples,
                          const std::function<void(Prediction)>& done) const {
  const auto start = std::chrono::steady_clock::now();
  std::vector<AnsweredPrompt> prompts;
  for (const std::int64_t i : samples) {
    const Record& record = records_.at(static_cast<std::size_t>(i));
    // Without gists it is all the same where the context ends.
    const std::span<const data::TokenId> context = record.context;
    AnsweredPrompt prompt;
    prompt.prompt = prompts_.build(method, context.first(context.size() - 1), context.last(1));
    prompt.answer = record.target;
    prompts.push_back(std::move(prompt));
  }
  const std::vector<ContinuationScores> scores =
      score_continuations(run.decoder, method, gist_, prompts);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Record& record = records_[static_cast<std::size_t>(samples[i])];
    double nats = 0;
    for (const float loss : scores[i].loss) nats += loss;
    Prediction prediction;
    // The word, or what greedy decoding says as far as it is known: up to the first other token.
    const bool right = scores[i].greedy == record.target;
    std::string said;
    for (const data::TokenId token : scores[i].greedy) said += token_text(*run.tokenizer, token);
    prediction.pred = data::replace_invalid_utf8(said);
    prediction.answers = {record.word};
    prediction.length = static_cast<std::int64_t>(record.context.size());
    prediction.id = record.id;
    prediction.question = record.text;
    prediction.index = samples[i];
    prediction.scores = {{"accuracy", right ? 1.0 : 0.0}, {"loss", nats}};
    prediction.attended =
        static_cast<double>(scores[i].keys_read) / static_cast<double>(scores[i].queries);
    prediction.seconds = seconds.count() / static_cast<double>(samples.size());
    prediction.prompt_tokens = static_cast<std::int64_t>(prompts[i].prompt.tokens.size());
    // All tokens of the word were fed, as if one more had been chosen.
    prediction.new_tokens = static_cast<std::int64_t>(record.target.size()) + 1;
    done(std::move(prediction));
  }
}

std::vector<ResultRow> LambadaTask::rows(std::span<const Prediction> predictions) const {
  std::int64_t right = 0;
  double sum = 0;
  std::vector<double> nats;
  for (const Prediction& prediction : predictions) {
    core::check(prediction.scores.size() == 2, "eval", "lambada: {} scores",
                prediction.scores.size());
    right += prediction.scores[0].value > 0.5 ? 1 : 0;
    nats.push_back(prediction.scores[1].value);
    sum += nats.back();
  }
  const auto n = static_cast<double>(predictions.size());
  const std::vector<double> ones(predictions.size(), 1.0);
  ResultRow accuracy = common_row(predictions);
  ResultRow perplexity = accuracy;
  const Interval share = wilson_interval(right, accuracy.n);
  accuracy.metric = "accuracy";
  accuracy.value = static_cast<double>(right) / n;
  accuracy.low = share.low;
  accuracy.high = share.high;
  const Interval loss = bootstrap_ratio_interval(nats, ones, seed_);
  perplexity.metric = "perplexity";
  perplexity.value = std::exp(sum / n);
  perplexity.low = std::exp(loss.low);
  perplexity.high = std::exp(loss.high);
  return {accuracy, perplexity};
}

}  // namespace unfold::eval
