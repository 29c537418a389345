// results.json: what an evaluation measured, one row a (task, method, ratio, metric).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace unfold::eval {

struct ResultRow {
  std::string task;    // "val", "recall", "passkey", ...
  std::string method;  // "full", "gist", ...
  double ratio = 1;    // nominal compression ratio rho
  std::string metric;  // "bits_per_byte", "perplexity", "accuracy"
  double value = 0;
  std::int64_t n = 0;  // samples (or targets) behind the value
  double low = 0;      // 95% interval
  double high = 0;
  double attended = 0;  // mean keys read per query
};

struct Results {
  std::vector<ResultRow> rows;
  std::string config_yaml;  // resolved config of the run
  std::string version;      // of Unfold
  std::int64_t step = 0;    // checkpoint evaluated
};

// {"rows": [{"task", "method", "ratio", "metric", "value", "n", "low", "high", "attended"}],
//  "versions": {...}, "config": "...", "step": N}; written beside and renamed.
void write_results(const std::filesystem::path& file, const Results& results);
// Throws core::UserError with file and reason when it is missing or malformed.
Results read_results(const std::filesystem::path& file);

}  // namespace unfold::eval
