// What the tests of `unfold train` start from: a small corpus, its shards, a config.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/cli/run_program.h"

namespace unfold::cli {

// A folder with text.txt, data/ (shards of the byte tokenizer) and config.yaml, a model of 20
// thousand parameters trained for 24 steps into run/ beside it, a checkpoint every 4.
class TrainFiles {
 public:
  explicit TrainFiles(std::string_view name);

  std::filesystem::path path(std::string_view name) const { return folder_.path() / name; }
  std::string write(std::string_view name, std::string_view text) const {
    return folder_.write(name, text);
  }
  // Arguments of `unfold train` for run folder `run`, with further --set.
  std::vector<std::string> train(const std::string& run,
                                 const std::vector<std::string>& sets = {}) const;
  // The same, run to its end.
  ProgramResult run_train(const std::string& run, const std::vector<std::string>& sets = {},
                          const std::string& before = "") const;

  using Tree = std::vector<std::pair<std::string, std::string>>;
  // Every file and folder below `name` with its content: "nothing changed" compares two of these.
  Tree tree(std::string_view name = "") const;
  // Names of what was added, removed or changed.
  static std::vector<std::string> changes(const Tree& before, const Tree& after);
  std::string read(const std::filesystem::path& name) const;
  // Lines of run/metrics.jsonl without `time`.
  std::vector<std::string> metrics(const std::string& run) const;
  // Steps with a finished checkpoint, ascending.
  std::vector<int> checkpoints(const std::string& run) const;

 private:
  TestFolder folder_;
};

}  // namespace unfold::cli
