// Whole runs of train(): what the options change, what they must not change, and resuming.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/hdf5_tensor.h"
#include "models/formats/checkpoint_folder.h"
#include "models/formats/model_file.h"
#include "tests/support/temp_folder.h"
#include "tests/train/tiny_run.h"
#include "train/optimizer.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;
using testing::metric;
using testing::read_file;
using testing::read_tree;
using testing::run_training;
using testing::timeless_metrics;

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() : config_(testing::tiny_config(folder_.path())) {}

  // Trains with the config as it is now into folder/NAME.
  fs::path run(const std::string& name) {
    config_.run.dir = (folder_ / name).string();
    run_training(config_);
    return config_.run.dir;
  }
  void overfit_one_row(std::int64_t steps) {
    config_.train.overfit_one_batch = true;
    config_.train.rows = 1;
    config_.train.steps = steps;
    config_.train.optimizer.lr = 2e-2;
    config_.train.val_every = 0;
    config_.checkpoint.every = 0;
  }
  static void expect_same_run(const fs::path& left, const fs::path& right, std::int64_t step) {
    EXPECT_EQ(timeless_metrics(left), timeless_metrics(right));
    EXPECT_EQ(read_tree(models::checkpoint_path(left, step)),
              read_tree(models::checkpoint_path(right, step)));
    EXPECT_EQ(read_file(left / "checkpoints" / "best.json"),
              read_file(right / "checkpoints" / "best.json"));
  }

  test::TempFolder folder_;
  TrainerConfig config_;
};

TEST_F(TrainerTest, WritesWhatItPromises) {
  const TrainSummary summary = run_training(config_);
  const fs::path run = config_.run.dir;
  EXPECT_EQ(read_file(run / "config.yaml"), config_.resolved_yaml);
  EXPECT_FALSE(fs::exists(run / "tokenizer.json")) << "bytes need no file";
  EXPECT_EQ(metric(run, "loss").size(), 8u);
  EXPECT_EQ(models::list_checkpoints(run).back(), 8);
  EXPECT_EQ(summary.steps, 8);
  EXPECT_EQ(summary.loss, metric(run, "loss").back());
  EXPECT_EQ(summary.parameters, models::count_parameters(config_.model, 1));
  EXPECT_EQ(summary.validation.size(), 2u);
  EXPECT_GT(summary.peak_bytes, 0);
  // Untrained, every byte is about as likely: ln 257; then it falls.
  EXPECT_NEAR(metric(run, "loss").front(), std::log(257.0), 0.05);
  EXPECT_LT(metric(run, "loss").back(), metric(run, "loss").front());
  const std::vector<double> tokens = metric(run, "tokens");
  for (std::size_t i = 1; i < tokens.size(); ++i) EXPECT_GT(tokens[i], tokens[i - 1]);
}

TEST_F(TrainerTest, TwoRunsAreEqualAndAnotherSeedIsNot) {
  const fs::path first = run("a");
  expect_same_run(first, run("b"), 8);
  config_.run.seed = 43;
  EXPECT_NE(metric(run("c"), "loss"), metric(first, "loss"));
}

TEST_F(TrainerTest, OverfitsOneBatch) {
  overfit_one_row(300);
  EXPECT_LT(run_training(config_).loss, 0.05);
  EXPECT_GT(metric(config_.run.dir, "loss").front(), 5);
}

TEST_F(TrainerTest, OverfitsOneBatchOfRecords) {
  for (const Objective objective : {Objective::cpt, Objective::lm}) {
    testing::use_records(config_, folder_.path());
    config_.train.objective = objective;
    overfit_one_row(150);
    const fs::path finished = run(objective == Objective::lm ? "lm" : "cpt");
    EXPECT_GT(metric(finished, "loss").front(), 5);
    EXPECT_LT(metric(finished, "loss").back(), 0.05);
    EXPECT_LT(metric(finished, "tokens").front(), 60) << "answers alone are targets";
  }
}

TEST_F(TrainerTest, OverfitsOneBatchOfRecordsWithLinks) {
  testing::use_links(config_, folder_.path());
  overfit_one_row(150);
  const fs::path finished = run("links");
  EXPECT_GT(metric(finished, "loss").front(), 5);
  EXPECT_LT(metric(finished, "loss").back(), 0.05);
  // Links have learnt: their rows began as one.
  models::Decoder decoder(config_.model, 1, core::DType::float32, core::Device{}, 0, 3);
  models::read_weights(models::checkpoint_path(finished, 150) / models::kModelFile, decoder);
  const core::Tensor rows = decoder.parameter("embedding.weight").variable.value();
  const auto link = [&](std::int64_t i) {
    const std::int64_t first = config_.model.vocab_size + 1 + i;
    return rows.slice(0, first, first + 1).to_vector<float>();
  };
  EXPECT_NE(link(0), link(1));
  EXPECT_NE(link(1), link(2));
}

// Loss falls on held-out records too, under every method that validation scores.
TEST_F(TrainerTest, LearnsFromRecordsWithLinks) {
  testing::use_links(config_, folder_.path());
  config_.train.steps = 60;
  config_.train.val_every = 30;
  config_.train.routing_weight = 0.5;
  config_.train.optimizer.lr = 1e-2;
  config_.checkpoint.every = 0;
  const TrainSummary summary = [&] {
    config_.run.dir = (folder_ / "links").string();
    return run_training(config_);
  }();
  ASSERT_EQ(summary.validation.size(), 3u) << "full, gist_only, h_gsa";
  for (const ValidationLoss& loss : summary.validation) EXPECT_LT(loss.loss, 4) << loss.visibility;
  EXPECT_LT(metric(config_.run.dir, "loss").back(), 0.7 * metric(config_.run.dir, "loss").front());
}

TEST_F(TrainerTest, GradientsAreClippedByTheirGlobalNorm) {
  config_.train.steps = 1;
  config_.train.optimizer.clip = 0.25;
  config_.train.optimizer.beta1 = 0.5;
  const fs::path clipped = run("clipped");
  const double norm = metric(clipped, "grad_norm").front();
  ASSERT_GT(norm, 0.3) << "the log has the norm before clipping";
  // The first moment after one step is (1 - beta1) times the gradient that was used.
  const auto moment_norm = [&](const fs::path& run) {
    const models::Decoder decoder(config_.model, 1, core::DType::float32, core::Device{}, 0);
    const std::string file = (models::checkpoint_path(run, 1) / models::kTrainerFile).string();
    const core::hdf5::Context context = {"test", file, ""};
    const core::hdf5::Handle handle = core::hdf5::open_file(context);
    double sum = 0;
    const AdamW optimizer(decoder, {});
    for (const AdamW::State& state : optimizer.states()) {
      core::hdf5::read_tensor(handle.get(), "m/" + state.name, state.m, context);
      for (const float value : state.m.to_vector<float>()) sum += double{value} * value;
    }
    return std::sqrt(sum);
  };
  EXPECT_NEAR(moment_norm(clipped), 0.5 * 0.25, 1e-6);
  config_.train.optimizer.clip = 0;
  EXPECT_NEAR(moment_norm(run("free")), 0.5 * norm, 1e-6);
  config_.train.optimizer.clip = 100;
  EXPECT_NEAR(moment_norm(run("far")), 0.5 * norm, 1e-6);
}

TEST_F(TrainerTest, MicroBatchesTakeTheSameSteps) {
  const std::vector<double> whole = metric(run("whole"), "loss");
  for (const std::int64_t rows : {1, 2}) {
    config_.train.micro_rows = rows;
    const fs::path micro = run("micro" + std::to_string(rows));
    const std::vector<double> losses = metric(micro, "loss");
    ASSERT_EQ(losses.size(), whole.size());
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(losses[i], whole[i], 1e-4);
    EXPECT_EQ(metric(micro, "tokens"), metric(folder_ / "whole", "tokens"));
  }
}

TEST_F(TrainerTest, ActivationCheckpointingChangesNoBit) {
  config_.model.dropout = 0.1;
  const fs::path plain = run("plain");
  config_.train.activation_checkpointing = true;
  const fs::path recomputed = run("recomputed");
  EXPECT_EQ(timeless_metrics(plain), timeless_metrics(recomputed));
  EXPECT_EQ(read_tree(models::checkpoint_path(plain, 8)),
            read_tree(models::checkpoint_path(recomputed, 8)));
}

TEST_F(TrainerTest, DropoutIsDeterministicAndDifferentAtEveryStep) {
  const std::vector<double> without = metric(run("without"), "loss");
  config_.model.dropout = 0.2;
  const fs::path first = run("first");
  expect_same_run(first, run("second"), 8);
  EXPECT_NE(metric(first, "loss"), without);
  // One batch at a learning rate of 0: only the masks differ from step to step.
  config_.train.overfit_one_batch = true;
  config_.train.optimizer.lr = 0;
  config_.train.optimizer.weight_decay = 0;
  const std::vector<double> losses = metric(run("still"), "loss");
  for (std::size_t i = 1; i < losses.size(); ++i) EXPECT_NE(losses[i], losses[0]);
}

TEST_F(TrainerTest, Bfloat16StaysCloseToFloat32AndStoresFloat32Masters) {
  config_.train.optimizer.lr = 5e-3;
  config_.train.steps = 12;
  const std::vector<double> exact = metric(run("float32"), "loss");
  config_.train.dtype = core::DType::bfloat16;
  const fs::path rounded = run("bfloat16");
  const std::vector<double> losses = metric(rounded, "loss");
  EXPECT_LT(exact.back(), exact.front() - 0.5);
  for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(losses[i], exact[i], 0.03) << i;
  models::Decoder decoder(config_.model, 1, core::DType::bfloat16, core::Device{}, 0);
  int finer = 0;
  models::read_weights(
      models::checkpoint_path(rounded, 12) / models::kModelFile, decoder,
      [&](const models::Parameter&, const core::Tensor& master) {
        EXPECT_EQ(master.dtype(), core::DType::float32);
        finer +=
            master.to_vector<float>() !=
                    master.to(core::DType::bfloat16).to(core::DType::float32).to_vector<float>()
                ? 1
                : 0;
      });
  EXPECT_GT(finer, 5) << "masters hold more than bfloat16 can";
}

TEST_F(TrainerTest, AResumedRunEqualsAnUndisturbedOne) {
  const auto plain = [](TrainerConfig&) {};
  const std::map<std::string, std::function<void(TrainerConfig&)>> variants = {
      {"plain", plain},
      {"bfloat16", [](TrainerConfig& c) { c.train.dtype = core::DType::bfloat16; }},
      {"dropout", [](TrainerConfig& c) { c.model.dropout = 0.1; }},
      {"micro", [](TrainerConfig& c) { c.train.micro_rows = 2; }},
      {"overfit", [](TrainerConfig& c) { c.train.overfit_one_batch = true; }},
      {"aligned",
       [](TrainerConfig& c) {
         c.gist.chunks = {4, 2};
         c.train.cpt.two_branch = true;
         c.train.cpt.alignment = 1e-2;
       }},
      {"lm", [](TrainerConfig& c) { c.train.objective = Objective::lm; }},
      {"no prefetch", [](TrainerConfig& c) { c.data.prefetch = 0; }},
      {"records", [&](TrainerConfig& c) { testing::use_records(c, folder_.path()); }},
      {"links",
       [&](TrainerConfig& c) {
         testing::use_links(c, folder_.path());
         c.train.micro_rows = 2;
         c.train.routing_weight = 0.5;
       }},
      {"records in file order",
       [&](TrainerConfig& c) {
         testing::use_records(c, folder_.path());
         c.data.shuffle = false;
         c.train.micro_rows = 1;
       }},
  };
  const TrainerConfig base = config_;
  for (const auto& [name, change] : variants) {
    SCOPED_TRACE(name);
    config_ = base;
    change(config_);
    const fs::path whole = run(name + " whole");
    config_.train.steps = 4;  // the schedule is constant: the first half is the same
    const fs::path halves = run(name + " halves");
    config_.train.steps = 8;
    run_training(config_, true);
    expect_same_run(whole, halves, 8);
  }
}

TEST_F(TrainerTest, ResumingAFinishedRunChangesNothing) {
  const fs::path finished = run("run");
  const auto checkpoints = read_tree(finished / "checkpoints");
  const std::string metrics = read_file(finished / "metrics.jsonl");
  run_training(config_, true);
  EXPECT_EQ(read_tree(finished / "checkpoints"), checkpoints);
  EXPECT_EQ(read_file(finished / "metrics.jsonl"), metrics);
}

TEST_F(TrainerTest, ResumingMendsTheMarkOfTheBestCheckpoint) {
  const fs::path finished = run("run");
  const fs::path mark = finished / "checkpoints" / "best.json";
  const std::string before = read_file(mark);
  ASSERT_FALSE(before.empty());
  fs::remove(mark);  // as after a kill between the checkpoint and its mark
  run_training(config_, true);
  EXPECT_EQ(read_file(mark), before);
}

TEST_F(TrainerTest, TheConfigOfAResumedRunIsTheNewest) {
  const fs::path finished = run("run");
  config_.train.steps = 9;
  config_.resolved_yaml = "train: {steps: 9}\n";
  run_training(config_, true);
  EXPECT_EQ(read_file(finished / "config.yaml"), "train: {steps: 9}\n");
  EXPECT_EQ(metric(finished, "loss").size(), 9u);
}

TEST_F(TrainerTest, NothingIsCutOffWhereCheckpointsCannotBeSeen) {
  const fs::path finished = run("run");
  const std::string log = read_file(finished / "metrics.jsonl");
  fs::rename(finished / "checkpoints", folder_ / "elsewhere");
  fs::create_symlink(folder_ / "unmounted", finished / "checkpoints");
  config_.train.steps = 9;
  const std::string error = test::user_error([&] { run_training(config_, true); });
  EXPECT_NE(error.find("leads nowhere"), std::string::npos) << error;
  EXPECT_EQ(read_file(finished / "metrics.jsonl"), log);
}

TEST_F(TrainerTest, KeepsTheNewestCheckpointsAndTheBest) {
  config_.checkpoint.every = 1;
  config_.checkpoint.keep = 2;
  config_.train.optimizer.lr = 0;  // the first validation stays the best
  config_.train.optimizer.weight_decay = 0;
  const fs::path finished = run("run");
  EXPECT_EQ(models::list_checkpoints(finished), (std::vector<std::int64_t>{2, 7, 8}));
  EXPECT_EQ(models::read_best(finished)->step, 2);
}

TEST_F(TrainerTest, ARefusedStartLeavesNoTraces) {
  config_.run.dir = (folder_ / "a" / "b" / "run").string();
  const auto before = read_tree(folder_.path());
  const auto refuse = [&](const std::string& expected) {
    const std::string error = test::user_error([&] { run_training(config_); });
    EXPECT_NE(error.find(expected), std::string::npos) << error;
    EXPECT_EQ(read_tree(folder_.path()), before);
  };
  const TrainerConfig good = config_;
  config_.data.train = {};
  refuse("data.train is empty");
  config_ = good;
  config_.data.train = {(folder_ / "none").string()};
  refuse("none");
  config_ = good;
  config_.data.val = {(folder_ / "none").string()};
  refuse("none");
  config_ = good;
  config_.data.format = data::DataFormat::sft;  // the folders hold shards
  refuse("no .jsonl file in this folder");
  config_.data.train = {};
  refuse("data.train is empty: name JSONL files of records");
  config_ = good;
  config_.data.tokenizer = (folder_ / "none.json").string();
  refuse("none.json");
  config_ = good;
  config_.model.vocab_size = 100;
  refuse("model.vocab_size is 100");
  config_ = good;
  config_.train.init_from = (folder_ / "none").string();
  refuse("train.init_from");
  config_ = good;
  config_.train.cpt.prefix_loss = false;  // packed documents end with a gist
  refuse("cpt.prefix_loss");
  config_ = good;
  config_.run.dir = (folder_ / "train.jsonl" / "run").string();  // below a file
  refuse("train.jsonl");
}

TEST_F(TrainerTest, AnExistingRunIsNotTouchedWithoutResume) {
  const fs::path existing = run("run");
  const auto before = read_tree(existing);
  EXPECT_NE(test::user_error([&] { run_training(config_); }).find("--resume"), std::string::npos);
  EXPECT_EQ(read_tree(existing), before);
  fs::create_directories(folder_ / "empty");
  run("empty");  // an empty folder is free
  EXPECT_TRUE(fs::exists(folder_ / "empty" / "config.yaml"));
}

TEST_F(TrainerTest, StopsBeforeTheUpdateThatIsNotFinite) {
  config_.train.optimizer.lr = 1e30;
  config_.train.optimizer.clip = 0;
  config_.checkpoint.every = 1;
  config_.train.val_every = 0;
  const auto error = [&](bool resume) {
    return test::user_error([&] { run_training(config_, resume); });
  };
  const std::string first = error(false);
  EXPECT_NE(first.find("stopped before the update"), std::string::npos) << first;
  const fs::path run = config_.run.dir;
  const std::vector<std::int64_t> steps = models::list_checkpoints(run);
  ASSERT_FALSE(steps.empty());
  models::Decoder decoder(config_.model, 1, core::DType::float32, core::Device{}, 0);
  models::read_weights(models::checkpoint_path(run, steps.back()) / models::kModelFile, decoder,
                       [](const models::Parameter& parameter, const core::Tensor& value) {
                         for (const float x : value.to_vector<float>()) {
                           ASSERT_TRUE(std::isfinite(x)) << parameter.spec.name;
                         }
                       });
  const auto checkpoints = read_tree(run / "checkpoints");
  EXPECT_EQ(error(true), first) << "the last checkpoint can be resumed, to the same end";
  EXPECT_EQ(read_tree(run / "checkpoints"), checkpoints);
}

}  // namespace
}  // namespace unfold::train
