// One task under one method: measured, or taken from what an earlier evaluation measured.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "eval/predictions/prediction.h"
#include "eval/predictions/prediction_store.h"
#include "eval/results.h"
#include "eval/tasks/sampled_task.h"

namespace unfold::eval {

class Measurement {
 public:
  // All outlive it. name: of the task, as it was asked for.
  Measurement(std::string name, const Task& task, const Method& method, LoadedRun& run,
              const EvalSettings& settings, core::Communicator& communicator);

  const std::string& name() const { return name_; }
  const Method& method() const { return method_; }

  // Before anything is measured: puts aside what was measured of something else, with a warning.
  // The process that is root calls it before any process measures.
  void prepare(std::string_view version);
  // Positions that this process evaluates in all, and those of them that are done already.
  std::int64_t work() const;
  std::int64_t done() const;
  // All processes call it. The rows, complete but for nothing; the predictions of a task that has
  // some.
  struct Measured {
    std::vector<ResultRow> rows;
    std::vector<Prediction> predictions;
  };
  Measured measure(const std::function<void(std::int64_t positions)>& advance);

 private:
  std::vector<Prediction> sampled(const SampledTask& task,
                                  const std::function<void(std::int64_t)>& advance);
  std::vector<ResultRow> whole(const std::function<void(std::int64_t)>& advance);
  std::vector<std::vector<std::int64_t>> batches(const SampledTask& task) const;
  std::filesystem::path rows_file() const;

  std::string name_;
  const Task& task_;
  const Method& method_;
  LoadedRun& run_;
  const EvalSettings& settings_;
  core::Communicator& communicator_;
  double ratio_;
  std::filesystem::path folder_;
  std::string made_;
};

}  // namespace unfold::eval
