#include "tests/eval/run_files.h"

#include <fmt/core.h>

#include "core/file.h"

namespace unfold::eval {

std::string metrics_text(int steps, int val_every, int nan_every) {
  std::string text;
  for (int step = 1; step <= steps; ++step) {
    const bool broken = nan_every > 0 && step % nan_every == 0;
    text += fmt::format(
        R"({{"step":{},"loss":{},"grad_norm":0.8,"lr":0.001,"tokens":{},)"
        R"("time":{{"seconds":0.5,"tokens_per_second":2000.0,"elapsed":{},"eta":1.0}}}})",
        step, broken ? "null" : fmt::format("{}", 2.0 + 4.0 / step), step * 1000, step * 0.5);
    text += '\n';
    if (val_every == 0 || step % val_every != 0) continue;
    text += fmt::format(
        R"({{"step":{0},"val":{{"full":{{"loss":3.0,"bits_per_byte":{1},"tokens":9}},)"
        R"("gist_only":{{"loss":3.1,"bits_per_byte":{2},"tokens":9}}}},"time":{{"seconds":1.0}}}})",
        step, 1.5 + 1.0 / step, 1.6 + 1.0 / step);
    text += '\n';
  }
  return text;
}

std::string config_text() {
  return "model:\n  architecture: llama\n  layers: 4\n  width: 128\n"
         "gist:\n  chunks: [8]\n  sinks: 3\n  previous_chunks: 1\n"
         "train:\n  objective: cpt\n  steps: 100\n";
}

ResultRow result_row(const std::string& task, const std::string& method, const std::string& metric,
                     double value) {
  const bool gist = method == "gist_only";
  return {task,        method,         gist ? 8.0 : 1.0,   metric, value, 200,
          value * 0.9, value * 1.0625, gist ? 80.0 : 400.0};
}

void write_run(const std::filesystem::path& folder, int steps) {
  core::write_file_atomically(folder / "config.yaml", config_text());
  core::write_file_atomically(folder / "metrics.jsonl", metrics_text(steps, 10));
  Results results;
  results.rows = {result_row("val", "full", "bits_per_byte", 1.5),
                  result_row("val", "gist_only", "bits_per_byte", 1.6),
                  result_row("passkey", "full", "accuracy", 0.8),
                  result_row("passkey", "gist_only", "accuracy", 0.9)};
  results.version = "0.1.0";
  results.step = steps;
  results.parameters = 1'234'567;
  write_results(folder / "results.json", results);
}

}  // namespace unfold::eval
