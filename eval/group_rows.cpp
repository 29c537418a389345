#include "eval/group_rows.h"

#include <algorithm>

#include "core/random.h"

namespace unfold::eval {
namespace {

constexpr std::uint64_t kStream = 0x67726f7570;  // of the resampling
constexpr std::size_t kResamples = 1000;

// Of questions drawn with replacement.
double drawn_mean(const QuestionScores& scores, core::Random& random) {
  double sum = 0;
  double samples = 0;
  for (std::size_t i = 0; i < scores.sums.size(); ++i) {
    const std::size_t drawn = random.below(static_cast<std::uint32_t>(scores.sums.size()));
    sum += scores.sums[drawn];
    samples += scores.samples[drawn];
  }
  return sum / samples;
}

}  // namespace

GroupRows::Group& GroupRows::group(const std::string& name, const ResultRow& main) {
  for (Group& group : groups_) {
    if (group.task == name && group.method == main.method && group.ratio == main.ratio) {
      return group;
    }
  }
  Group group;
  group.task = name;
  group.method = main.method;
  group.ratio = main.ratio;
  return groups_.emplace_back(std::move(group));
}

void GroupRows::add(const ResultRow& main, std::span<const Prediction> predictions) {
  const std::size_t dot = main.task.find('.');
  if (dot == std::string::npos || predictions.empty()) return;
  Group& own = group(main.task.substr(0, dot), main);
  own.rows.push_back(main);
  own.scores.push_back(question_scores(predictions, 0));
  for (const Prediction& prediction : predictions) own.seconds += prediction.seconds;
}

std::vector<ResultRow> GroupRows::rows() const {
  std::vector<ResultRow> rows;
  for (const Group& group : groups_) {
    if (group.rows.size() < 2) continue;
    const auto tasks = static_cast<double>(group.rows.size());
    ResultRow row;
    row.task = group.task;
    row.method = group.method;
    row.ratio = group.ratio;
    row.metric = "score";
    for (const ResultRow& one : group.rows) {
      row.value += one.value / tasks;
      row.attended += one.attended / tasks;
      row.n += one.n;
      row.skipped += one.skipped;
    }
    if (group.seconds > 0) row.samples_per_second = static_cast<double>(row.n) / group.seconds;
    core::Random random(seed_, kStream);
    std::vector<double> means;
    for (std::size_t i = 0; i < kResamples; ++i) {
      double sum = 0;
      for (const QuestionScores& scores : group.scores) sum += drawn_mean(scores, random);
      means.push_back(sum / tasks);
    }
    std::sort(means.begin(), means.end());
    row.low = means[kResamples / 40];
    row.high = means[kResamples - 1 - kResamples / 40];
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace unfold::eval
