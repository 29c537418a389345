#include "eval/tasks/perplexity_by_context.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "data/sha256.h"
#include "data/shard.h"
#include "eval/continuation_scores.h"
#include "eval/metrics/interval.h"
#include "eval/tasks/check_lengths.h"

namespace unfold::eval {
namespace {

// Where windows of `size` tokens lie, one behind the other from the beginning of each document.
struct Place {
  std::size_t shard;
  std::int64_t begin;
};

std::vector<Place> find_windows(const std::vector<data::ShardReader>& shards, std::int64_t size) {
  std::vector<Place> places;
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    for (std::int64_t i = 0; i < shards[shard].documents(); ++i) {
      const std::int64_t end = shards[shard].document_begin(i + 1) - 1;  // without its eos
      for (std::int64_t at = shards[shard].document_begin(i); at + size <= end; at += size) {
        places.push_back({shard, at});
      }
    }
  }
  return places;
}

}  // namespace

PerplexityByContextTask::PerplexityByContextTask(const LoadedRun& run, const EvalSettings& settings)
    : SampledTask("perplexity_by_context", settings),
      gist_(settings.gist),
      prompts_(run, settings.gist),
      lengths_(settings.eval.by_context.lengths),
      targets_(settings.eval.by_context.targets) {
  check_lengths("eval.by_context.lengths", lengths_);
  core::require(!settings.val.empty() && settings.format == data::DataFormat::text, "eval",
                "task perplexity_by_context reads the text of data.val (data.format: text): name "
                "shards there (--set data.val=[FOLDER]), or leave the task out");
  const std::int64_t longest = *std::max_element(lengths_.begin(), lengths_.end());
  const std::int64_t size = longest + 1 + targets_;
  std::vector<data::ShardReader> shards;
  for (const std::filesystem::path& file : data::find_shards(settings.val)) {
    shards.emplace_back(file, run.tokenizer->fingerprint());
  }
  const std::vector<Place> places = find_windows(shards, size);
  core::require(!places.empty(), "eval",
                "{}: no document of {} tokens (eval.by_context.lengths and targets): use longer "
                "texts, or shorter lengths",
                settings.val.front(), size);
  token_bytes_ = shards.front().vocab().token_bytes;
  const std::size_t count =
      std::min(places.size(), static_cast<std::size_t>(settings.eval.by_context.windows));
  data::Sha256 digest;
  for (std::size_t i = 0; i < count; ++i) {
    const Place& place = places[i * places.size() / count];
    std::vector<data::TokenId> tokens(static_cast<std::size_t>(size));
    shards[place.shard].read(place.begin, tokens);
    digest.update(
        {reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(tokens[0])});
    windows_.push_back(std::move(tokens));
  }
  digest_ = digest.hex_digest();
}

std::int64_t PerplexityByContextTask::samples() const {
  return static_cast<std::int64_t>(windows_.size() * lengths_.size());
}

const std::vector<data::TokenId>& PerplexityByContextTask::window(std::int64_t i) const {
  return windows_.at(static_cast<std::size_t>(i) % windows_.size());
}

std::int64_t PerplexityByContextTask::length(std::int64_t i) const {
  return lengths_.at(static_cast<std::size_t>(i) / windows_.size());
}

std::int64_t PerplexityByContextTask::size(std::int64_t i) const {
  return length(i) + 1 + targets_;
}

std::string PerplexityByContextTask::settings() const {
  std::string text =
      fmt::format("perplexity_by_context 1: {}, {} targets, lengths", digest_, targets_);
  for (const std::int64_t length : lengths_) text += fmt::format(" {}", length);
  return text;
}

void PerplexityByContextTask::predict(LoadedRun& run, const Method& method,
                                      std::span<const std::int64_t> samples,
                                      const std::function<void(Prediction)>& done) const {
  const auto start = std::chrono::steady_clock::now();
  std::vector<AnsweredPrompt> prompts;
  for (const std::int64_t i : samples) {
    const std::span<const data::TokenId> tokens = window(i);
    const auto used = tokens.last(static_cast<std::size_t>(size(i)));
    const auto context = static_cast<std::size_t>(length(i));
    AnsweredPrompt prompt;
    prompt.prompt = prompts_.build(method, used.first(context), used.subspan(context, 1));
    const auto targets = used.subspan(context + 1);
    prompt.answer.assign(targets.begin(), targets.end());
    prompts.push_back(std::move(prompt));
  }
  const std::vector<ContinuationScores> scores =
      score_continuations(run.decoder, method, gist_, prompts);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    double nats = 0;
    std::int64_t bytes = 0;
    for (const float loss : scores[i].loss) nats += loss;
    for (const data::TokenId token : prompts[i].answer) {
      bytes += token_bytes_[static_cast<std::size_t>(token)];
    }
    Prediction prediction;
    prediction.length = length(samples[i]);
    prediction.id = fmt::format("{}-{}", length(samples[i]),
                                static_cast<std::size_t>(samples[i]) % windows_.size());
    prediction.index = samples[i];
    prediction.scores = {{"loss", nats / static_cast<double>(targets_)}};
    prediction.attended =
        static_cast<double>(scores[i].keys_read) / static_cast<double>(scores[i].queries);
    prediction.seconds = seconds.count() / static_cast<double>(samples.size());
    prediction.prompt_tokens = static_cast<std::int64_t>(prompts[i].prompt.tokens.size());
    // All targets were fed, as if one more had been chosen.
    prediction.new_tokens = targets_ + 1;
    prediction.tags = {{"context", static_cast<double>(length(samples[i]))},
                       {"targets", static_cast<double>(targets_)},
                       {"bytes", static_cast<double>(bytes)}};
    done(std::move(prediction));
  }
}

std::vector<ResultRow> PerplexityByContextTask::rows(
    std::span<const Prediction> predictions) const {
  std::vector<ResultRow> rows;
  const std::size_t part = windows_.size();
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    const std::span<const Prediction> of_length = predictions.subspan(i * part, part);
    std::vector<double> nats, targets, bytes;
    double all_nats = 0, all_targets = 0, all_bytes = 0;
    for (const Prediction& prediction : of_length) {
      core::check(prediction.scores.size() == 1 && prediction.tags.count("bytes") == 1, "eval",
                  "{}: a prediction of other metrics", name());
      targets.push_back(static_cast<double>(targets_));
      nats.push_back(prediction.scores[0].value * targets.back());
      bytes.push_back(prediction.tags.at("bytes"));
      all_nats += nats.back();
      all_targets += targets.back();
      all_bytes += bytes.back();
    }
    ResultRow common = common_row(of_length);
    common.task = fmt::format("{}.{}", name(), lengths_[i]);
    common.n = static_cast<std::int64_t>(all_targets);
    const auto add = [&](const char* metric, double value, double low, double high) {
      ResultRow row = common;
      row.metric = metric;
      row.value = value;
      row.low = low;
      row.high = high;
      rows.push_back(std::move(row));
    };
    const double loss = all_nats / all_targets;
    const Interval of_loss = bootstrap_ratio_interval(nats, targets, seed_);
    const Interval of_bytes = bootstrap_ratio_interval(nats, bytes, seed_);
    add("loss", loss, of_loss.low, of_loss.high);
    add("bits_per_byte", all_nats / all_bytes / std::numbers::ln2, of_bytes.low / std::numbers::ln2,
        of_bytes.high / std::numbers::ln2);
    add("perplexity", std::exp(loss), std::exp(of_loss.low), std::exp(of_loss.high));
  }
  return rows;
}

}  // namespace unfold::eval
