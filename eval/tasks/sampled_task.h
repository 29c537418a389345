// A task that is measured sample by sample: every sample leaves a prediction, and the results are
// made of the predictions alone. So an evaluation that was stopped goes on where it was, and
// several processes can share it (eval/runner.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/predictions/prediction.h"
#include "eval/tasks/task.h"

namespace unfold::eval {

class SampledTask : public Task {
 public:
  // As in results and file names: "recall", "longbench.hotpotqa".
  const std::string& name() const { return name_; }
  // Of its samples, at least 1.
  virtual std::int64_t samples() const = 0;
  // About how many positions prompt and answer of sample i take, at least 1: batches are made by
  // it, so that they hold samples of like length and fit into memory.
  virtual std::int64_t size(std::int64_t i) const = 0;
  // Answers these samples, all at once. `done` is told every prediction when it is there.
  virtual void predict(LoadedRun& run, const Method& method, std::span<const std::int64_t> samples,
                       const std::function<void(Prediction)>& done) const = 0;
  // The rows of results: all but task, method and ratio are filled. predictions: of all samples, in
  // order. By default one row a metric: the mean, with a bootstrap interval over questions
  // (eval/metrics/question_scores.h).
  virtual std::vector<ResultRow> rows(std::span<const Prediction> predictions) const;
  // Bad records left out (eval.on_bad_record: skip).
  virtual std::int64_t skipped() const { return 0; }
  // size() of every sample.
  std::vector<std::int64_t> sizes() const;

  // All samples, in batches, with nothing kept.
  std::int64_t work() const override;
  std::vector<ResultRow> measure(LoadedRun& run, const Method& method,
                                 const std::function<void(std::int64_t)>& advance) const override;

 protected:
  SampledTask(std::string name, const EvalSettings& settings)
      : name_(std::move(name)),
        seed_(settings.seed),
        batch_positions_(settings.eval.batch_positions) {}
  // What all rows of the task have alike: task, n, attended, samples_per_second, skipped.
  ResultRow common_row(std::span<const Prediction> predictions) const;

  std::string name_;
  std::uint64_t seed_;  // run.seed
  std::int64_t batch_positions_;
};

}  // namespace unfold::eval
