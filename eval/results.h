// results.json: what an evaluation measured, one row a (task, method, ratio, metric).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace unfold::eval {

struct ResultRow {
  std::string task;    // "val", "recall", "passkey", ...
  std::string method;  // "full", "gist_only", ...
  double ratio = 1;    // nominal compression ratio rho
  // "loss", "bits_per_byte", "perplexity" (smaller is better); "accuracy", "exact_match", "f1",
  // ...: fractions of 1, shown as percentages, greater is better.
  std::string metric;
  double value = 0;
  std::int64_t n = 0;  // samples (or targets) behind the value
  double low = 0;      // 95% interval
  double high = 0;
  double attended = 0;            // mean keys read per query (and layer and key/value head)
  double samples_per_second = 0;  // 0: not stated
  std::int64_t skipped = 0;       // bad records left out
};

struct Results {
  std::vector<ResultRow> rows;
  std::string config_yaml;      // resolved config of the run
  std::string version;          // of Unfold
  std::int64_t step = 0;        // checkpoint evaluated
  std::int64_t parameters = 0;  // of the model; 0: not stated
  std::string compiler;         // filled by read_results; written from the compiler in use
};

// {"rows": [{"task", "method", "ratio", "metric", "value", "n", "low", "high", "attended",
//             ["samples_per_second"], ["skipped"]}],
//  "versions": {"unfold", "compiler"}, "config": "...", "step": N, ["parameters": N]}
// written beside and renamed. A number that is not finite is null.
void write_results(const std::filesystem::path& file, const Results& results);
// Throws core::UserError with file and reason when it is missing or malformed.
Results read_results(const std::filesystem::path& file);

}  // namespace unfold::eval
