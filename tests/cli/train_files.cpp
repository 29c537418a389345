#include "tests/cli/train_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/random.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kConfig = R"(run: {seed: 7}
model: {width: 32, layers: 2, heads: 2, kv_heads: 1, ffn: 48}
gist: {chunks: [6], sinks: 2}
train: {steps: 24, rows: 8, row_length: 96, val_every: 6, val_rows: 4}
optimizer: {lr: 5e-3}
schedule: {kind: cosine, warmup: 4}
checkpoint: {every: 4, keep: 3}
)";

std::string invented_text() {
  core::Random random(3);
  std::string text;
  while (text.size() < 12000) {
    for (std::uint32_t i = random.below(7) + 1; i > 0; --i) {
      text += static_cast<char>('a' + random.below(6));
    }
    text += random.below(8) == 0 ? ".\n" : " ";
  }
  return text;
}

}  // namespace

TrainFiles::TrainFiles(std::string_view name) : folder_(name) {
  ::setenv("OMP_NUM_THREADS", "1", 1);
  const std::string text = write("text.txt", invented_text());
  write("config.yaml", kConfig);
  const ProgramResult result =
      run_unfold(fmt::format("data tokenize '{}' --out '{}'", text, path("data").string()));
  EXPECT_EQ(result.code, 0) << result.err;
}

std::vector<std::string> TrainFiles::train(const std::string& run,
                                           const std::vector<std::string>& sets) const {
  const std::string data = path("data").string();
  std::vector<std::string> arguments = {"train", path("config.yaml").string()};
  std::vector<std::string> all = {"run.dir=" + path(run).string(), "data.train=[" + data + "]",
                                  "data.val=[" + data + "]"};
  all.insert(all.end(), sets.begin(), sets.end());
  for (const std::string& set : all) {
    if (set.starts_with("--")) {
      arguments.push_back(set);
      continue;
    }
    arguments.push_back("--set");
    arguments.push_back(set);
  }
  return arguments;
}

ProgramResult TrainFiles::run_train(const std::string& run, const std::vector<std::string>& sets,
                                    const std::string& before) const {
  std::string line;
  for (const std::string& argument : train(run, sets)) line += " '" + argument + "'";
  return run_unfold(line, before);
}

std::string TrainFiles::read(const fs::path& name) const {
  std::ifstream in(folder_.path() / name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TrainFiles::Tree TrainFiles::tree(std::string_view name) const {
  Tree files;
  const fs::path root = path(name);
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const fs::path relative = entry.path().lexically_relative(folder_.path());
    files.emplace_back(entry.path().lexically_relative(root).string(),
                       entry.is_regular_file() ? read(relative) : "");
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> TrainFiles::changes(const Tree& before, const Tree& after) {
  Tree different;
  std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                std::back_inserter(different));
  std::vector<std::string> names;
  for (const auto& [name, content] : different) names.push_back(name);
  return names;
}

std::vector<std::string> TrainFiles::metrics(const std::string& run) const {
  std::ifstream in(path(run) / "metrics.jsonl");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    Json json = Json::parse(line);
    json.erase("time");
    lines.push_back(json.dump());
  }
  return lines;
}

std::vector<int> TrainFiles::checkpoints(const std::string& run) const {
  std::vector<int> steps;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(path(run) / "checkpoints", none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-")) steps.push_back(std::stoi(name.substr(5)));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

}  // namespace unfold::cli
