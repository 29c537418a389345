// unfold inspect rows: what it prints is what a training reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/run_program.h"
#include "tests/cli/train_files.h"

namespace unfold::cli {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kRows = 8, kLength = 96, kVocabulary = 257;  // of TrainFiles; bytes and eos

std::vector<Json> rows_of(const TrainFiles& files, const std::string& more) {
  const ProgramResult result =
      run_unfold("inspect rows '" + files.path("config.yaml").string() + "' --set data.train='[" +
                 files.path("data").string() + "]' " + more);
  EXPECT_EQ(result.code, 0) << result.err;
  std::vector<Json> rows;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
  return rows;
}

std::vector<int> list(const Json& row, const char* name) {
  return row.at(name).get<std::vector<int>>();
}

TEST(InspectRows, AreConsistent) {
  const TrainFiles files("inspect_rows");
  const std::vector<Json> rows = rows_of(files, "--steps 3");
  ASSERT_EQ(rows.size(), 3 * kRows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Json& row = rows[i];
    EXPECT_EQ(row.at("step"), static_cast<std::int64_t>(i) / kRows + 1);
    EXPECT_EQ(row.at("row"), static_cast<std::int64_t>(i) % kRows);
    const std::vector<int> tokens = list(row, "tokens"), targets = list(row, "targets");
    const std::vector<int> levels = list(row, "levels"), documents = list(row, "documents");
    const std::vector<int> positions = list(row, "positions");
    for (const auto* part : {&tokens, &targets, &levels, &documents, &positions}) {
      ASSERT_EQ(part->size(), static_cast<std::size_t>(kLength));
    }
    for (std::size_t t = 0; t + 1 < tokens.size(); ++t) {
      const bool is_gist = tokens[t] >= kVocabulary;
      EXPECT_EQ(levels[t], is_gist ? 0 : -1) << t;
      if (documents[t] < 0 || documents[t] != documents[t + 1]) {
        EXPECT_EQ(targets[t], -1) << t;
      } else {
        EXPECT_EQ(targets[t], tokens[t + 1] >= kVocabulary ? -1 : tokens[t + 1]) << t;
        EXPECT_EQ(positions[t + 1], positions[t] + (tokens[t + 1] >= kVocabulary ? 0 : 1)) << t;
      }
    }
  }
}

TEST(InspectRows, AreTheRowsOfTheTraining) {
  const TrainFiles files("inspect_trained");
  for (const std::string name : {"cpt", "lm", "one_batch"}) {
    const std::string key =
        name == "one_batch" ? "train.overfit_one_batch=true" : "train.objective=" + name;
    const ProgramResult trained = files.run_train(name, {key, "train.steps=5"});
    ASSERT_EQ(trained.code, 0) << trained.err;
    // The log counts the targets that were trained on.
    std::vector<std::int64_t> counted(5, 0);
    for (const Json& row : rows_of(files, "--steps 5 --set " + key)) {
      const std::vector<int> targets = list(row, "targets");
      for (std::size_t step = row.at("step").get<std::size_t>() - 1; step < 5; ++step) {
        counted[step] +=
            std::count_if(targets.begin(), targets.end(), [](int t) { return t >= 0; });
      }
    }
    std::vector<std::int64_t> logged;
    for (const std::string& line : files.metrics(name)) {
      const Json record = Json::parse(line);
      if (record.contains("tokens")) logged.push_back(record.at("tokens").get<std::int64_t>());
    }
    EXPECT_EQ(counted, logged) << name;
  }
}

TEST(InspectRows, Errors) {
  const TrainFiles files("inspect_rows_errors");
  const std::string config = "inspect rows '" + files.path("config.yaml").string() + "'";
  for (const std::string& arguments :
       {config + " --set data.train='[" + files.path("data").string() + "]' --steps 0", config,
        config + " --set data.train=[none]", std::string("inspect rows")}) {
    const ProgramResult result = run_unfold(arguments);
    EXPECT_EQ(result.code, 2) << arguments << result.err;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_TRUE(result.err_is_one_line()) << arguments << "\n" << result.err;
  }
}

}  // namespace
}  // namespace unfold::cli
