// Methods compared on the samples that both of them answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "eval/report/run_record.h"

namespace unfold::eval {

struct PairedOutcome {
  std::int64_t n = 0;     // samples with a score under both
  double difference = 0;  // mean score, minus the reference's
  double p = 1;           // eval/metrics/paired_test.h
  double adjusted = 1;    // after Holm, over the comparisons of a line (set by the table)
  bool significant() const { return adjusted < 0.05; }
};

// The scored predictions of some runs, which must outlive this.
class PairedScores {
 public:
  struct Source {
    std::size_t run = 0;
    std::string method;
    double ratio = 1;
    bool operator==(const Source&) const = default;
  };

  explicit PairedScores(const std::vector<RunRecord>& runs);

  // `ours` against `reference` on the samples of `task` that have one id, if `metric` is what their
  // scores are of. Samples with one id are one question asked in several ways: they change signs
  // together. A task that names a group of tasks ("longbench") is compared on the samples of
  // all of them, each task with equal weight, as its mean has it. Nothing when fewer than two
  // samples are shared.
  std::optional<PairedOutcome> compare(const std::string& task, const std::string& metric,
                                       const Source& ours, const Source& reference) const;

 private:
  using Key = std::tuple<std::size_t, std::string, double>;  // run, method, ratio
  // By id: of several samples with one id (one question asked in several ways), in their order.
  using Scores = std::unordered_map<std::string, std::vector<double>>;
  struct Scored {
    std::string metric;  // the main one
    std::map<std::string, Scores> by_metric;
  };

  const Scored* find(const std::string& task, const Source& source) const;
  static void add(const PredictionFile& file, Scored& scored);

  std::map<std::string, std::map<Key, Scored>> tasks_;
  std::map<std::string, std::vector<std::string>> members_;  // of groups
};

}  // namespace unfold::eval
