#include "eval/tasks/sampled_task.h"

#include "core/error.h"
#include "eval/metrics/interval.h"
#include "eval/metrics/question_scores.h"
#include "eval/tasks/batches.h"

namespace unfold::eval {

std::vector<std::int64_t> SampledTask::sizes() const {
  std::vector<std::int64_t> sizes;
  for (std::int64_t i = 0; i < samples(); ++i) sizes.push_back(size(i));
  return sizes;
}

std::int64_t SampledTask::work() const {
  std::int64_t positions = 0;
  for (std::int64_t i = 0; i < samples(); ++i) positions += size(i);
  return positions;
}

ResultRow SampledTask::common_row(std::span<const Prediction> predictions) const {
  ResultRow row;
  row.task = name_;
  row.n = static_cast<std::int64_t>(predictions.size());
  row.skipped = skipped();
  double keys = 0, queries = 0, seconds = 0;
  for (const Prediction& prediction : predictions) {
    const auto fed = static_cast<double>(prediction.new_tokens - 1);
    if (fed > 0) {
      keys += prediction.attended * fed;
      queries += fed;
    }
    seconds += prediction.seconds;
  }
  if (queries > 0) row.attended = keys / queries;
  if (seconds > 0) row.samples_per_second = static_cast<double>(predictions.size()) / seconds;
  return row;
}

std::vector<ResultRow> SampledTask::rows(std::span<const Prediction> predictions) const {
  core::check(!predictions.empty() && !predictions.front().scores.empty(), "eval",
              "{}: no scores to sum up", name_);
  const ResultRow common = common_row(predictions);
  std::vector<ResultRow> rows;
  for (std::size_t m = 0; m < predictions.front().scores.size(); ++m) {
    double sum = 0;
    for (const Prediction& prediction : predictions) {
      core::check(prediction.scores.size() > m, "eval", "{}: a prediction of other metrics", name_);
      sum += prediction.scores[m].value;
    }
    ResultRow row = common;
    row.metric = predictions.front().scores[m].metric;
    row.value = sum / static_cast<double>(predictions.size());
    const QuestionScores questions = question_scores(predictions, m);
    const Interval interval = bootstrap_ratio_interval(questions.sums, questions.samples, seed_);
    row.low = interval.low;
    row.high = interval.high;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ResultRow> SampledTask::measure(
    LoadedRun& run, const Method& method, const std::function<void(std::int64_t)>& advance) const {
  std::vector<Prediction> predictions(static_cast<std::size_t>(samples()));
  const std::int64_t positions = batch_positions(batch_positions_, run.decoder);
  for (const std::vector<std::int64_t>& batch : make_batches(sizes(), positions)) {
    predict(run, method, batch, [&](Prediction prediction) {
      advance(size(prediction.index));
      predictions.at(static_cast<std::size_t>(prediction.index)) = std::move(prediction);
    });
  }
  return rows(predictions);
}

}  // namespace unfold::eval
