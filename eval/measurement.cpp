#include "eval/measurement.h"

#include "core/error.h"
#include "core/log.h"
#include "eval/predictions/made_of.h"
#include "eval/tasks/batches.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

const SampledTask* as_sampled(const Task& task) {
  return dynamic_cast<const SampledTask*>(&task);
}

}  // namespace

Measurement::Measurement(std::string name, const Task& task, const Method& method, LoadedRun& run,
                         const EvalSettings& settings, core::Communicator& communicator)
    : name_(std::move(name)),
      task_(task),
      method_(method),
      run_(run),
      settings_(settings),
      communicator_(communicator),
      ratio_(method.ratio(settings.gist)),
      folder_(run.folder / "predictions" / method_folder(method.name, ratio_)) {}

fs::path Measurement::rows_file() const {
  return folder_ / "made" / (name_ + ".rows.json");
}

std::vector<std::vector<std::int64_t>> Measurement::batches(const SampledTask& task) const {
  return make_batches(task.sizes(), batch_positions(settings_.eval.batch_positions, run_.decoder),
                      communicator_.rank(), communicator_.world_size());
}

void Measurement::prepare(std::string_view version) {
  made_ = made_of(run_, method_, settings_.gist, version, task_.settings());
  if (!communicator_.is_root()) return;
  if (const SampledTask* task = as_sampled(task_)) {
    const PredictionStore store(folder_, task->name(), task->samples(), {});
    const std::string difference = store.prepare(made_, settings_.eval.resume);
    if (!difference.empty()) {
      core::log::warning("predictions of {} under {} are moved to {}, and made again: they were {}",
                         task->name(), folder_.filename().string(), (folder_ / "earlier").string(),
                         difference);
    }
  } else if (!settings_.eval.resume) {
    std::error_code ignored;
    fs::remove(rows_file(), ignored);
  }
}

std::int64_t Measurement::work() const {
  const SampledTask* task = as_sampled(task_);
  if (task == nullptr) return task_.work();
  std::int64_t positions = 0;
  for (const std::vector<std::int64_t>& batch : batches(*task)) {
    for (const std::int64_t i : batch) positions += task->size(i);
  }
  return positions;
}

std::int64_t Measurement::done() const {
  const SampledTask* task = as_sampled(task_);
  if (task == nullptr) return 0;
  return PredictionStore(folder_, task->name(), task->samples(), {}).complete() ? work() : 0;
}

std::vector<Prediction> Measurement::sampled(const SampledTask& task,
                                             const std::function<void(std::int64_t)>& advance) {
  PredictionStore store(folder_, task.name(), task.samples(),
                        {communicator_.rank(), communicator_.world_size()});
  if (!store.complete()) {
    std::int64_t left_positions = 0;
    const std::vector<std::vector<std::int64_t>> left = store.open(batches(task));
    for (const std::vector<std::int64_t>& batch : left) {
      for (const std::int64_t i : batch) left_positions += task.size(i);
    }
    advance(work() - left_positions);
    for (const std::vector<std::int64_t>& batch : left) {
      std::vector<Prediction> predictions;
      task.predict(run_, method_, batch, [&](Prediction prediction) {
        advance(task.size(prediction.index));
        predictions.push_back(std::move(prediction));
      });
      store.append(predictions);
    }
    communicator_.barrier();
    if (communicator_.is_root()) store.finish();
    communicator_.barrier();
  }
  return store.predictions();
}

std::vector<ResultRow> Measurement::whole(const std::function<void(std::int64_t)>& advance) {
  std::error_code ignored;
  if (fs::exists(rows_file(), ignored)) {
    try {
      Results earlier = read_results(rows_file());
      if (earlier.config_yaml == made_) {
        advance(task_.work());
        return std::move(earlier.rows);
      }
    } catch (const core::UserError&) {  // damaged: measured again
    }
  }
  Results measured;
  measured.rows = task_.measure(run_, method_, advance);
  for (ResultRow& row : measured.rows) {
    row.method = method_.name;
    row.ratio = ratio_;
  }
  measured.config_yaml = made_;
  if (communicator_.is_root()) {
    core::create_folder(rows_file().parent_path());
    write_results(rows_file(), measured);
  }
  return std::move(measured.rows);
}

Measurement::Measured Measurement::measure(const std::function<void(std::int64_t)>& advance) {
  const SampledTask* task = as_sampled(task_);
  if (task == nullptr) return {whole(advance), {}};
  Measured measured;
  measured.predictions = sampled(*task, advance);
  measured.rows = task->rows(measured.predictions);
  for (ResultRow& row : measured.rows) {
    row.method = method_.name;
    row.ratio = ratio_;
  }
  return measured;
}

}  // namespace unfold::eval
