#include "eval/report/sample_browser.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "eval/report/task_family.h"

namespace unfold::eval {
namespace {

auto order_of(const RunComparison& comparison, const SampleAnswer& answer) {
  return std::make_tuple(comparison.palette.rank(answer.file->method), answer.file->ratio,
                         answer.run);
}

}  // namespace

std::vector<std::size_t> spread_evenly(std::size_t count, std::size_t total) {
  std::vector<std::size_t> places;
  count = std::min(count, total);
  for (std::size_t k = 0; k < count; ++k) {
    places.push_back(count == 1 ? 0 : k * (total - 1) / (count - 1));
  }
  return places;
}

std::vector<BrowsedTask> browsed_tasks(const RunComparison& comparison) {
  using Place = std::pair<std::size_t, std::string>;  // in the file, and id
  struct Gathered {
    std::size_t samples = 0;
    std::map<Place, BrowsedSample> shown;
  };
  std::map<std::pair<Family, std::string>, Gathered> tasks;
  for (std::size_t run = 0; run < comparison.runs.size(); ++run) {
    for (const PredictionFile& file : comparison.runs[run].predictions.files) {
      Gathered& task = tasks[{family_of(file.task, file.metric), file.task}];
      task.samples = std::max(task.samples, file.samples.size());
      for (const PredictedSample& sample : file.samples) {
        if (!sample.text) continue;
        BrowsedSample& browsed = task.shown[{sample.place, sample.id}];
        browsed.id = sample.id;
        browsed.answers.push_back({&file, &sample, run});
      }
    }
  }
  std::vector<BrowsedTask> result;
  for (auto& [key, gathered] : tasks) {
    BrowsedTask task;
    task.task = key.second;
    task.samples = gathered.samples;
    for (auto& [place, browsed] : gathered.shown) {
      std::stable_sort(browsed.answers.begin(), browsed.answers.end(),
                       [&](const SampleAnswer& a, const SampleAnswer& b) {
                         return order_of(comparison, a) < order_of(comparison, b);
                       });
      task.shown.push_back(std::move(browsed));
    }
    result.push_back(std::move(task));
  }
  return result;
}

}  // namespace unfold::eval
