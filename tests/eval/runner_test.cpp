#include "eval/runner.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>

#include "core/file.h"
#include "eval/predictions/prediction_store.h"
#include "models/parameter_table.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_world.h"

namespace unfold::eval {
namespace {

using test::TempFolder;
using test::user_error;

EvalSettings settings_for(const LoadedRun& run, const std::string& shard) {
  EvalSettings settings;
  settings.gist = run.description.gist;
  settings.val = {shard};
  settings.row_length = 64;
  settings.seed = 42;
  settings.eval.tasks = {"perplexity", "passkey"};
  settings.eval.samples = 5;
  settings.eval.context = 120;
  return settings;
}

void expect_equal(const std::vector<ResultRow>& left, const std::vector<ResultRow>& right) {
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i].task, right[i].task);
    EXPECT_EQ(left[i].method, right[i].method);
    EXPECT_EQ(left[i].metric, right[i].metric);
    EXPECT_EQ(left[i].ratio, right[i].ratio);
    EXPECT_EQ(left[i].n, right[i].n);
    // Bit for bit.
    EXPECT_EQ(left[i].value, right[i].value);
    EXPECT_EQ(left[i].low, right[i].low);
    EXPECT_EQ(left[i].high, right[i].high);
    EXPECT_EQ(left[i].attended, right[i].attended);
  }
}

class Runner : public testing::Test {
 protected:
  std::string shard(const LoadedRun& run) {
    const auto file = folder_ / "val.h5";
    if (std::filesystem::exists(file)) return file.string();
    const std::vector<std::string> texts(8, "It rained all night, and nobody came to the inn.");
    return write_shard(file, *run.tokenizer, texts).string();
  }
  TempFolder folder_;
};

TEST_F(Runner, WhatMeasuresNothingIsAnErrorAndKeepsTheResults) {
  write_tiny_run(folder_ / "run", {.dtype = core::DType::float32, .steps = {3}});
  LoadedRun run = load_run(folder_ / "run", "last", core::DType::float32);
  EvalSettings settings = settings_for(run, shard(run));
  evaluate(run, settings, {"", ""});
  const auto before = core::read_text_file(folder_ / "run/results.json");
  settings.eval.tasks = {"perplexity"};
  settings.eval.methods = {"gsa", "streaming"};
  EXPECT_NE(user_error([&] {
              evaluate(run, settings, {"", ""});
            }).find("can be measured under gsa"),
            std::string::npos);
  EXPECT_EQ(core::read_text_file(folder_ / "run/results.json"), before);
  // Fewer rows than before: the earlier ones are kept; the same rows again: replaced.
  settings.eval.methods = {"gsa", "full"};
  for (const Results& results :
       {evaluate(run, settings, {"", ""}), evaluate(run, settings, {"", ""})}) {
    for (const ResultRow& row : results.rows) EXPECT_EQ(row.method, "full");
    EXPECT_FALSE(results.rows.empty());
    EXPECT_EQ(core::read_text_file(folder_ / "run/results.previous.json"), before);
  }
}

TEST_F(Runner, MeasuresEveryTaskUnderEveryMethodAndWritesIt) {
  write_tiny_run(folder_ / "run", {.dtype = core::DType::float32, .steps = {3}});
  LoadedRun run = load_run(folder_ / "run", "last", core::DType::float32);
  const Results results =
      evaluate(run, settings_for(run, shard(run)), {"run: {dir: x}\n", "1.2.3"});
  std::vector<std::string> order;
  for (const ResultRow& row : results.rows) {
    order.push_back(row.task + " " + row.method + " " + row.metric);
    EXPECT_EQ(row.ratio, row.method == "gist_only" ? 4.0 : 1.0);
    EXPECT_LE(row.low, row.value);
    EXPECT_GE(row.high, row.value);
    EXPECT_GT(row.n, 0);
    EXPECT_GT(row.attended, 1);
  }
  EXPECT_EQ(order,
            (std::vector<std::string>{
                "val full loss", "val full bits_per_byte", "val full perplexity",
                "val gist_only loss", "val gist_only bits_per_byte", "val gist_only perplexity",
                "passkey full exact_match", "passkey gist_only exact_match"}));
  EXPECT_EQ(results.step, 3);
  EXPECT_EQ(results.parameters, models::count_parameters(run.description.decoder, 1));
  const Results stored = read_results(folder_ / "run" / "results.json");
  expect_equal(stored.rows, results.rows);
  EXPECT_EQ(stored.config_yaml, "run: {dir: x}\n");
  EXPECT_EQ(stored.version, "1.2.3");
  EXPECT_EQ(stored.step, 3);
}

TEST_F(Runner, GivesTheSameRowsAgain) {
  write_tiny_run(folder_ / "run", {.dtype = core::DType::float32});
  const auto rows = [&] {
    LoadedRun run = load_run(folder_ / "run", "last", core::DType::float32);
    return evaluate(run, settings_for(run, shard(run)), {}).rows;
  };
  expect_equal(rows(), rows());
}

TEST_F(Runner, RefusesSettingsThatMakeNoSense) {
  LoadedRun run = make_tiny_run(folder_ / "run");
  const std::string val = shard(run);
  const auto error_of = [&](const std::function<void(EvalSettings&)>& change) {
    EvalSettings settings = settings_for(run, val);
    change(settings);
    return user_error([&] { evaluate(run, settings, {}); });
  };
  EXPECT_EQ(
      error_of([](EvalSettings& s) { s.eval.tasks = {"recal"}; }),
      "[eval] unknown task 'recal': choose one of perplexity, answers, recall, passkey, multikey, "
      "lambada, perplexity_by_context, longbench, longbench_e, rag, probe");
  EXPECT_EQ(
      error_of([](EvalSettings& s) { s.eval.methods = {"gso"}; }),
      "[eval] unknown method 'gso': choose one of full, gist_only, gsa, h_gsa, mean_pool, random, "
      "streaming, snapkv, h2o, quest");
  EXPECT_EQ(
      error_of([](EvalSettings& s) { s.eval.tasks = {}; }),
      "[eval] eval.tasks is empty: list some of perplexity, answers, recall, passkey, multikey, "
      "lambada, perplexity_by_context, longbench, longbench_e, rag, probe");
  EXPECT_EQ(error_of([](EvalSettings& s) {
              s.eval.methods = {"full", "full"};
            }),
            "[eval] eval.methods lists full twice");
  EXPECT_NE(error_of([](EvalSettings& s) {
              s.gist.chunks = {4, 4};
            }).find("2 levels"),
            std::string::npos);
  EXPECT_NE(error_of([](EvalSettings& s) { s.val = {}; }).find("data.val"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run" / "results.json"));
}

TEST_F(Runner, MeasuresAllMethodsAtOneRatio) {
  LoadedRun run = make_tiny_run(folder_ / "run");
  EvalSettings settings = settings_for(run, shard(run));
  settings.eval.methods = method_names();
  settings.eval.context = 200;
  settings.eval.ratios = {5};
  const Results results = evaluate(run, settings, {});
  std::vector<std::string> measured;
  double full = 0;
  for (const ResultRow& row : results.rows) {
    if (row.task == "val") {
      EXPECT_TRUE(row.method == "full" || row.method == "gist_only") << row.method;
      continue;
    }
    measured.push_back(row.method);
    if (row.method == "full") full = row.attended;
    EXPECT_EQ(row.ratio, row.method == "full" ? 1.0 : row.method == "gist_only" ? 4.0 : 5.0);
    EXPECT_GT(row.attended, 0) << row.method;
    // quest has two dense layers, and this model has no more.
    if (row.method != "full" && row.method != "quest") {
      EXPECT_LT(row.attended, full * 0.7) << row.method;
    }
  }
  EXPECT_EQ(measured, method_names());
}

TEST_F(Runner, MeasuresMethodsThatChooseAtEveryRatio) {
  LoadedRun run = make_tiny_run(folder_ / "run");
  EvalSettings settings = settings_for(run, shard(run));
  settings.eval.tasks = {"passkey"};
  settings.eval.methods = {"full", "gist_only", "gsa", "streaming"};
  settings.eval.ratios = {4, 0, 2.5};  // 0: the ratio of the gists, which is 4
  std::vector<std::string> measured;
  for (const ResultRow& row : evaluate(run, settings, {}).rows) {
    measured.push_back(fmt::format("{}@{}", row.method, row.ratio));
    EXPECT_TRUE(
        std::filesystem::exists(run.folder / "predictions" / measured.back() / "passkey.jsonl"));
  }
  EXPECT_EQ(measured, (std::vector<std::string>{"full@1", "gist_only@4", "gsa@4", "gsa@2.5",
                                                "streaming@4", "streaming@2.5"}));
}

// What selection.budget says holds for all methods that choose, and is what results call it.
TEST_F(Runner, AllMethodsHaveTheBudgetOfSelection) {
  LoadedRun run = make_tiny_run(folder_ / "run");
  EvalSettings settings = settings_for(run, shard(run));
  settings.eval.tasks = {"passkey"};
  settings.eval.methods = {"gsa", "streaming"};
  settings.eval.ratios = {0, 4};
  settings.eval.context = 400;
  settings.selection.budget = gsa::Budget::ratio;
  settings.selection.ratio = 32;
  std::map<std::string, double> read;
  for (const ResultRow& row : evaluate(run, settings, {}).rows) {
    read[fmt::format("{}@{}", row.method, row.ratio)] = row.attended;
  }
  EXPECT_EQ(read.size(), 4u);
  EXPECT_LT(read["streaming@32"], 0.6 * read["streaming@4"]);
  EXPECT_LT(read["gsa@32"], 0.8 * read["gsa@4"]);
  // Results could not tell these apart.
  settings.selection.budget = gsa::Budget::fixed;
  EXPECT_EQ(user_error([&] { evaluate(run, settings, {}); }),
            "[eval] eval.ratios has 0 and 4: 0 is what selection.budget says, which results would "
            "call 4, too: leave one of them out");
}

// Stopped in the middle: a prediction file that is cut short anywhere is gone on with, and all ends
// as if nothing had been.
TEST_F(Runner, GoesOnWhereItWasStopped) {
  LoadedRun run = make_tiny_run(folder_ / "run");
  EvalSettings settings = settings_for(run, shard(run));
  settings.eval.tasks = {"passkey", "rag.invented"};
  settings.eval.methods = {"gsa"};
  settings.eval.samples = 9;
  settings.eval.batch_positions = 1500;
  settings.eval.rag.documents = 2;
  settings.eval.rag.max_new_tokens = 4;
  const Results whole = evaluate(run, settings, {});
  const auto folder = run.folder / "predictions/gsa@4";
  for (const char* task : {"passkey", "rag.invented"}) {
    const auto file = folder / (std::string(task) + ".jsonl");
    const std::vector<Prediction> before = read_predictions(file);
    ASSERT_EQ(before.size(), 9u);
    // What a process that was killed leaves: some batches, and a part of another.
    const auto part = folder / "unfinished" / (std::string(task) + ".0-of-1.jsonl");
    std::filesystem::remove(file);
    core::write_file_atomically(part, to_json_line(before[0]) + "\n\n" + to_json_line(before[1]) +
                                          "\n" + to_json_line(before[2]).substr(0, 50));
    expect_equal(evaluate(run, settings, {}).rows, whole.rows);
    const std::vector<Prediction> after = read_predictions(file);
    ASSERT_EQ(after.size(), 9u);
    EXPECT_EQ(after[0], before[0]) << "what was there is kept, its time too";
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].index, static_cast<std::int64_t>(i));
      EXPECT_EQ(after[i].pred, before[i].pred);
    }
  }
}

TEST_F(Runner, NeverMixesPredictionsOfOtherSettings) {
  LoadedRun run = make_tiny_run(folder_ / "run");
  EvalSettings settings = settings_for(run, shard(run));
  settings.eval.tasks = {"passkey"};
  settings.eval.methods = {"gsa"};
  evaluate(run, settings, {});
  const auto made_of = [&] {
    return core::read_text_file(run.folder / "predictions/gsa@4/made/passkey.txt");
  };
  const std::string made = made_of();
  settings.eval.context = 140;
  evaluate(run, settings, {});
  EXPECT_NE(made_of(), made);
  EXPECT_TRUE(std::filesystem::exists(run.folder / "predictions/gsa@4/earlier/passkey.jsonl"));
  const std::string longer = made_of();
  settings.selection.seed = 5;
  evaluate(run, settings, {});
  EXPECT_NE(made_of(), longer);
  const std::string seeded = made_of();
  evaluate(run, settings, {"", "of another version"});
  EXPECT_NE(made_of(), seeded);
  settings.eval.tasks = {"passkey", "perplexity"};  // more is asked: what is there stays
  const auto time =
      std::filesystem::last_write_time(run.folder / "predictions/gsa@4/passkey.jsonl");
  evaluate(run, settings, {"", "of another version"});
  EXPECT_EQ(std::filesystem::last_write_time(run.folder / "predictions/gsa@4/passkey.jsonl"), time);
}

// A finished file that somebody shortened, doubled or emptied is not taken for one.
TEST_F(Runner, MeasuresAgainWhatIsNotWhole) {
  LoadedRun run = make_tiny_run(folder_ / "run");
  EvalSettings settings = settings_for(run, shard(run));
  settings.eval.tasks = {"rag.invented"};
  settings.eval.methods = {"gsa"};
  settings.eval.samples = 4;
  settings.eval.rag.documents = 2;
  settings.eval.rag.max_new_tokens = 2;
  const auto values = [&] {
    std::vector<std::pair<std::string, double>> all;
    for (const ResultRow& row : evaluate(run, settings, {}).rows) {
      EXPECT_EQ(row.n, 4);
      all.emplace_back(row.metric, row.value);
    }
    return all;
  };
  const auto want = values();
  const std::filesystem::path file = run.folder / "predictions/gsa@4/rag.invented.jsonl";
  const std::string whole = core::read_text_file(file);
  const std::size_t second = whole.find('\n') + 1;
  for (const std::string& changed : {std::string(), whole.substr(0, second), whole + whole,
                                     whole.substr(second), whole.substr(0, whole.size() - 9)}) {
    core::write_file_atomically(file, changed);
    EXPECT_EQ(values(), want);
    const std::string made = core::read_text_file(file);
    EXPECT_EQ(std::count(made.begin(), made.end(), '\n'), 4);
    EXPECT_EQ(core::read_text_file(run.folder / "predictions/gsa@4/earlier/rag.invented.jsonl"),
              changed);
  }
}

// Ranks, here threads, that share the samples of a task.
TEST_F(Runner, RanksShareTheSamples) {
  LoadedRun alone = make_tiny_run(folder_ / "alone");
  EvalSettings settings = settings_for(alone, shard(alone));
  settings.eval.tasks = {"passkey", "recall"};
  settings.eval.methods = {"full", "gsa"};
  const Results expected = evaluate(alone, settings, {});
  constexpr int kRanks = 3;
  std::vector<LoadedRun> runs;
  for (int rank = 0; rank < kRanks; ++rank) {
    runs.push_back(make_tiny_run(folder_ / ("rank" + std::to_string(rank))));
    runs.back().folder = runs.front().folder;
  }
  std::vector<Results> results(kRanks);
  const std::vector<std::exception_ptr> errors =
      test::run_ranks(kRanks, [&](test::ThreadRank& world) {
        const auto rank = static_cast<std::size_t>(world.rank());
        results[rank] = evaluate(runs[rank], settings, {}, world);
      });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  for (const Results& got : results) {
    ASSERT_EQ(got.rows.size(), expected.rows.size());
    for (std::size_t i = 0; i < got.rows.size(); ++i) {
      EXPECT_EQ(got.rows[i].task, expected.rows[i].task);
      EXPECT_EQ(got.rows[i].value, expected.rows[i].value) << got.rows[i].task;
      EXPECT_EQ(got.rows[i].n, expected.rows[i].n);
    }
  }
}

TEST_F(Runner, AModelWithoutGistsIsMeasuredUnderFull) {
  LoadedRun run = make_tiny_run(folder_ / "run", {.gist = {.chunks = {}}});
  EvalSettings settings = settings_for(run, shard(run));
  EXPECT_NE(user_error([&] { evaluate(run, settings, {}); }).find("needs gist tokens"),
            std::string::npos);
  settings.eval.methods = {"full"};
  const Results results = evaluate(run, settings, {});
  ASSERT_EQ(results.rows.size(), 4u);
  EXPECT_EQ(results.rows[0].ratio, 1.0);
}

}  // namespace
}  // namespace unfold::eval
