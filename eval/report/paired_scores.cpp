#include "eval/report/paired_scores.h"

#include <algorithm>
#include <cmath>

#include "eval/metrics/paired_test.h"
#include "eval/report/task_family.h"

namespace unfold::eval {
namespace {

constexpr std::uint64_t kSeed = 0;

using Scores = std::unordered_map<std::string, std::vector<double>>;

struct Differences {
  std::vector<double> by_id;  // a - b, summed over the samples of an id
  std::int64_t samples = 0;
};

// Over the ids that both have, in an order that no hash decides. Samples of one id are paired in
// their order.
Differences differences(const Scores& ours, const Scores& theirs) {
  std::vector<std::pair<std::string_view, double>> by_id;
  Differences result;
  for (const auto& [id, scores] : ours) {
    const auto found = theirs.find(id);
    if (found == theirs.end()) continue;
    const std::size_t both = std::min(scores.size(), found->second.size());
    double sum = 0;
    for (std::size_t i = 0; i < both; ++i) sum += scores[i] - found->second[i];
    by_id.emplace_back(id, sum);
    result.samples += static_cast<std::int64_t>(both);
  }
  std::sort(by_id.begin(), by_id.end());
  result.by_id.reserve(by_id.size());
  for (const auto& [id, difference] : by_id) result.by_id.push_back(difference);
  return result;
}

double sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

}  // namespace

void PairedScores::add(const PredictionFile& file, Scored& scored) {
  scored.metric = file.metric.empty() ? "score" : file.metric;
  for (const PredictedSample& sample : file.samples) {
    if (std::isfinite(sample.score)) {
      scored.by_metric[scored.metric][sample.id].push_back(sample.score);
    }
    for (std::size_t i = 0; i < sample.more_scores.size(); ++i) {
      if (!std::isfinite(sample.more_scores[i])) continue;
      scored.by_metric[file.more_metrics[i]][sample.id].push_back(sample.more_scores[i]);
    }
  }
}

PairedScores::PairedScores(const std::vector<RunRecord>& runs) {
  for (std::size_t run = 0; run < runs.size(); ++run) {
    for (const PredictionFile& file : runs[run].predictions.files) {
      Scored scored;
      add(file, scored);
      if (scored.by_metric.empty()) continue;
      tasks_[file.task].emplace(Key(run, file.method, file.ratio), std::move(scored));
    }
  }
  for (const auto& [task, files] : tasks_) {
    const std::string group(group_of(task));
    if (!group.empty()) members_[group].push_back(task);
  }
}

const PairedScores::Scored* PairedScores::find(const std::string& task,
                                               const Source& source) const {
  const auto files = tasks_.find(task);
  if (files == tasks_.end()) return nullptr;
  const auto found = files->second.find(Key(source.run, source.method, source.ratio));
  return found == files->second.end() ? nullptr : &found->second;
}

std::optional<PairedOutcome> PairedScores::compare(const std::string& task,
                                                   const std::string& metric, const Source& ours,
                                                   const Source& reference) const {
  const auto group = members_.find(task);
  const bool grouped = group != members_.end() && !tasks_.contains(task);
  const std::vector<std::string> alone = {task};
  const std::vector<std::string>& tasks = grouped ? group->second : alone;

  PairedOutcome outcome;
  std::vector<double> weighted;
  for (const std::string& one : tasks) {
    const Scored* a = find(one, ours);
    const Scored* b = find(one, reference);
    // A mean over tasks that only one of them ran compares nothing.
    if (!a || !b || (grouped && a->metric != b->metric)) return std::nullopt;
    const auto ours_scored = a->by_metric.find(grouped ? a->metric : metric);
    const auto theirs_scored = b->by_metric.find(grouped ? b->metric : metric);
    if (ours_scored == a->by_metric.end() || theirs_scored == b->by_metric.end()) {
      return std::nullopt;
    }
    Differences shared = differences(ours_scored->second, theirs_scored->second);
    if (shared.by_id.empty()) return std::nullopt;
    const double weight =
        1.0 / (static_cast<double>(shared.samples) * static_cast<double>(tasks.size()));
    for (double& difference : shared.by_id) difference *= weight;
    outcome.n += shared.samples;
    outcome.difference += sum_of(shared.by_id);
    weighted.insert(weighted.end(), shared.by_id.begin(), shared.by_id.end());
  }
  if (weighted.size() < 2) return std::nullopt;
  outcome.p = paired_permutation_p(weighted, kSeed);
  outcome.adjusted = outcome.p;
  return outcome;
}

}  // namespace unfold::eval
