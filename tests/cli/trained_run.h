// A run trained for a moment by the program itself, for tests of what comes after training.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/cli/run_program.h"

namespace unfold::cli {

// For the programs that are run: models this small only lose time by sharing their work.
inline void use_one_thread() {
  ::setenv("OMP_NUM_THREADS", "1", 1);
}

// Makes generated texts, shards and a run inside the folder. settings: further text behind
// `unfold train CONFIG`, such as --set options.
class TrainedRun {
 public:
  explicit TrainedRun(std::string_view name, const std::string& settings = "") : folder_(name) {
    use_one_thread();
    call(fmt::format("data synthesize --out '{}' --count 12 --context 150", file("train.jsonl")));
    call(fmt::format("data synthesize --out '{}' --count 6 --context 150 --eval-split",
                     file("val.jsonl")));
    call(fmt::format("data tokenize '{}' --out '{}'", file("train.jsonl"), file("train")));
    call(fmt::format("data tokenize '{}' --out '{}'", file("val.jsonl"), file("val")));
    config_ = folder_.write("config.yaml", fmt::format(R"(
run: {{dir: '{}'}}
model: {{width: 16, layers: 2, heads: 2, kv_heads: 1, ffn: 32}}
gist: {{chunks: [8]}}
data: {{train: ['{}'], val: ['{}']}}
train: {{steps: 4, rows: 2, row_length: 128, val_every: 2, val_rows: 2}}
checkpoint: {{every: 2}}
eval: {{samples: 4, context: 128, rows: 4, tasks: [perplexity, recall]}}
)",
                                                       run(), file("train"), file("val")));
    call(fmt::format("train '{}' {}", config_, settings));
  }

  const TestFolder& folder() const { return folder_; }
  const std::string& config() const { return config_; }  // of the run
  std::string run() const { return file("run"); }
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  static void call(const std::string& arguments) {
    const ProgramResult result = run_unfold(arguments);
    EXPECT_EQ(result.code, 0) << arguments << "\n" << result.err;
  }

  TestFolder folder_;
  std::string config_;
};

}  // namespace unfold::cli
