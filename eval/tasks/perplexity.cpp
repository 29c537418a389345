#include "eval/tasks/perplexity.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "data/data_source.h"
#include "data/loader.h"
#include "data/row_format.h"
#include "data/sha256.h"
#include "eval/metrics/interval.h"

namespace unfold::eval {
namespace {

// Sums of every row: rows are what is resampled.
struct RowSums {
  std::vector<double> nats;
  std::vector<double> targets;
  std::vector<double> bytes;  // of text behind the targets
};

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void add_rows(const data::Batch& batch, const std::vector<float>& loss,
              const std::vector<std::uint16_t>& token_bytes, RowSums& sums) {
  for (std::int64_t row = 0; row < batch.layout.rows; ++row) {
    double nats = 0;
    std::int64_t targets = 0;
    std::int64_t bytes = 0;
    for (std::int64_t t = 0; t < batch.layout.length; ++t) {
      const auto i = static_cast<std::size_t>(row * batch.layout.length + t);
      if (batch.targets[i] < 0) continue;
      nats += loss[i];
      ++targets;
      bytes += token_bytes[static_cast<std::size_t>(batch.targets[i])];
    }
    sums.nats.push_back(nats);
    sums.targets.push_back(static_cast<double>(targets));
    sums.bytes.push_back(static_cast<double>(bytes));
  }
}

}  // namespace

PerplexityTask::PerplexityTask(const LoadedRun& run, const EvalSettings& settings)
    : gist_(settings.gist), seed_(settings.seed) {
  core::require(!settings.val.empty(), "eval",
                "task perplexity reads data.val, which is empty: name shards there (--set "
                "data.val=[FOLDER]), or take perplexity out of eval.tasks");
  const data::RowFormat format = data::make_row_format(
      *run.tokenizer, settings.gist, settings.row_length, run.decoder.config().vocab_size);
  const std::int64_t batch_rows = std::max<std::int64_t>(1, kBatchPositions / settings.row_length);
  data::DataConfig data;
  data.format = settings.format;
  data.on_long = settings.on_long;
  batches_ = data::validation_batches(*data::open_rows(data, settings.val, *run.tokenizer, format),
                                      settings.eval.rows, batch_rows);
  std::int64_t targets = 0;
  for (const data::Batch& batch : batches_) targets += batch.valid_targets;
  core::require(targets > 0, "eval", "{}: no token to predict in its rows: use a longer text",
                settings.val.front());
  token_bytes_ = format.vocab.token_bytes;
  data::Sha256 sha;
  const auto add = [&](const auto& values) {
    sha.update({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])});
  };
  for (const data::Batch& batch : batches_) {
    add(batch.tokens);
    add(batch.targets);
    add(batch.layout.document);
  }
  settings_ = fmt::format("rows {}, seed {}\n", sha.hex_digest(), seed_);
}

std::int64_t PerplexityTask::work() const {
  std::int64_t positions = 0;
  for (const data::Batch& batch : batches_) positions += batch.layout.size();
  return positions;
}

bool PerplexityTask::measures(const Method& method) const {
  return method.visibility.has_value();
}

std::vector<ResultRow> PerplexityTask::measure(
    LoadedRun& run, const Method& method, const std::function<void(std::int64_t)>& advance) const {
  RowSums sums;
  std::int64_t keys_read = 0;
  std::int64_t queries = 0;
  for (const data::Batch& gisted : batches_) {
    const data::Batch plain = method.gists ? data::Batch{} : data::without_gists(gisted);
    const data::Batch& batch = method.gists ? gisted : plain;
    const MethodScores scores = score(run.decoder, method, gist_, batch);
    add_rows(batch, scores.loss, token_bytes_, sums);
    keys_read += scores.keys_read;
    queries += scores.queries;
    advance(gisted.layout.size());
  }
  ResultRow row;
  row.task = "val";
  row.n = static_cast<std::int64_t>(sum(sums.targets));
  row.attended = static_cast<double>(keys_read) / static_cast<double>(queries);
  const auto with = [&](const char* metric, double value, Interval interval) {
    ResultRow result = row;
    result.metric = metric;
    result.value = value;
    result.low = interval.low;
    result.high = interval.high;
    return result;
  };
  const double loss = sum(sums.nats) / sum(sums.targets);
  const Interval loss_interval = bootstrap_ratio_interval(sums.nats, sums.targets, seed_);
  const Interval byte_interval = bootstrap_ratio_interval(sums.nats, sums.bytes, seed_);
  return {with("loss", loss, loss_interval),
          with("bits_per_byte", sum(sums.nats) / sum(sums.bytes) / std::numbers::ln2,
               {byte_interval.low / std::numbers::ln2, byte_interval.high / std::numbers::ln2}),
          with("perplexity", std::exp(loss),
               {std::exp(loss_interval.low), std::exp(loss_interval.high)})};
}

}  // namespace unfold::eval
