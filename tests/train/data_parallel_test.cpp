#include "train/data_parallel.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/comm/agreement.h"
#include "models/formats/checkpoint_folder.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_world.h"
#include "tests/train/tiny_run.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;
using testing::metric;

class ManyRanks : public ::testing::Test {
 protected:
  ManyRanks() : config_(testing::tiny_config(folder_.path())) {
    config_.train.dtype = core::DType::float64;
    config_.train.optimizer.lr = 5e-3;
  }
  fs::path alone(const std::string& name) {
    config_.run.dir = (folder_.path() / name).string();
    testing::run_training(config_);
    return config_.run.dir;
  }
  // What the ranks said: empty lines where all went well.
  std::vector<std::string> together(int ranks, const std::string& name, Resume resume = Resume::no,
                                    int poisoned = -1) {
    config_.run.dir = (folder_.path() / name).string();
    std::vector<std::string> said;
    for (const std::exception_ptr& error : test::run_ranks(ranks, [&](test::ThreadRank& world) {
           omp_set_num_threads(1);
           if (world.rank() == poisoned) world.poison();
           train(config_, resume, world);
         })) {
      said.emplace_back();
      try {
        if (error) std::rethrow_exception(error);
      } catch (const std::exception& thrown) {
        said.back() = thrown.what();
      }
    }
    return said;
  }
  void expect_equal(const std::string& name, const std::string& reference, double tolerance) {
    for (const char* number : {"loss", "grad_norm", "tokens"}) {
      const std::vector<double> want = metric(folder_.path() / reference, number);
      const std::vector<double> got = metric(folder_.path() / name, number);
      ASSERT_EQ(got.size(), want.size()) << name;
      for (std::size_t i = 0; i < want.size(); ++i) {
        EXPECT_NEAR(got[i], want[i], tolerance * std::fabs(want[i])) << name << " " << number << i;
      }
    }
  }

  test::TempFolder folder_;
  TrainerConfig config_;
};

const std::vector<std::string> kWell2 = {"", ""};

TEST_F(ManyRanks, TakeTheStepsOfOne) {
  config_.train.rows = 5;  // divides among nobody
  alone("one");
  for (const int ranks : {1, 2, 3, 4}) {
    const std::vector<std::string> well(static_cast<std::size_t>(ranks));
    const std::string name = "ranks" + std::to_string(ranks);
    EXPECT_EQ(together(ranks, name), well);
    expect_equal(name, "one", ranks == 1 ? 0 : 1e-12);
  }
  config_.train.micro_rows = 1;
  EXPECT_EQ(together(2, "micro"), kWell2);
  expect_equal("micro", "one", 1e-12);
}

// Whether other work runs beside a sum decides how GPUs exchange: ranks must not differ, also where
// some have no rows, and find gradients complete only at the end.
TEST_F(ManyRanks, SayTheSameOfEverySum) {
  config_.train.steps = 2;
  config_.train.micro_rows = 1;
  for (const auto& [ranks, rows] : {std::pair{3, 4}, {4, 5}, {8, 12}}) {
    for (const bool zero1 : {false, true}) {
      for (const bool overlap : {true, false}) {
        config_.train.rows = rows;
        config_.train.zero1 = zero1;
        config_.train.overlap = overlap;
        config_.run.dir = (folder_.path() / fmt::format("{}{}{}", ranks, zero1, overlap)).string();
        std::vector<std::vector<bool>> beside(static_cast<std::size_t>(ranks));
        test::run_ranks(ranks, [&](test::ThreadRank& world) {
          omp_set_num_threads(1);
          train(config_, Resume::no, world);
          beside[static_cast<std::size_t>(world.rank())] = world.beside();
        });
        ASSERT_GT(beside[0].size(), 2u);
        for (const std::vector<bool>& one : beside) EXPECT_EQ(one, beside[0]) << ranks << zero1;
        EXPECT_EQ(std::count(beside[0].begin(), beside[0].end(), true) > 0, overlap);
      }
    }
  }
}

// A process by itself shares with nobody: the same training.
TEST_F(ManyRanks, Zero1AloneIsTheSame) {
  alone("one");
  config_.train.zero1 = true;
  alone("shared");
  expect_equal("shared", "one", 0);
}

TEST_F(ManyRanks, EveryObjective) {
  using Change = std::function<void(TrainerConfig&)>;
  const std::vector<std::pair<std::string, Change>> variants = {
      {"aligned",
       [](TrainerConfig& c) {
         c.gist.chunks = {4, 2};
         c.train.cpt.two_branch = true;
         c.train.cpt.alignment = 1e-2;
       }},
      {"recomputed", [](TrainerConfig& c) { c.train.activation_checkpointing = true; }},
      {"dropout",
       [](TrainerConfig& c) {
         c.model.dropout = 0.2;
         c.train.micro_rows = 3;
       }},
      {"few buckets", [](TrainerConfig& c) { c.train.bucket_mib = 1; }},
      {"behind", [](TrainerConfig& c) { c.train.overlap = false; }},
      {"tied", [](TrainerConfig& c) { c.model.tied_embeddings = true; }},
      {"links", [&](TrainerConfig& c) {
         testing::use_links(c, folder_.path());
         c.train.micro_rows = 1;
         c.train.routing_weight = 0.5;
       }}};
  const TrainerConfig base = config_;
  for (const auto& [name, change] : variants) {
    config_ = base;
    config_.train.steps = 4;
    change(config_);
    alone(name + " one");
    for (const bool zero1 : {false, true}) {
      config_.train.zero1 = zero1;
      const std::string run = name + (zero1 ? " shared" : " two");
      EXPECT_EQ(together(2, run), kWell2);
      expect_equal(run, name + " one", 1e-11);
    }
  }
}

TEST_F(ManyRanks, Zero1KeepsAPartAndTakesTheSameSteps) {
  alone("one");
  config_.train.zero1 = true;
  EXPECT_EQ(together(2, "two"), kWell2);
  expect_equal("two", "one", 1e-12);
  EXPECT_EQ(together(3, "three"), (std::vector<std::string>{"", "", ""}));
  expect_equal("three", "one", 1e-12);
  // bfloat16 moments are rounded alike in parts and in one.
  config_.train.dtype = core::DType::float32;
  config_.train.optimizer.state_dtype = core::DType::bfloat16;
  config_.train.optimizer.clip = 0;  // the norm is a sum in another order
  config_.train.zero1 = false;
  EXPECT_EQ(together(2, "whole"), kWell2);
  config_.train.zero1 = true;
  EXPECT_EQ(together(2, "parts"), kWell2);
  expect_equal("parts", "whole", 1e-15);
  EXPECT_EQ(testing::read_tree(models::checkpoint_path(folder_.path() / "whole", 8)),
            testing::read_tree(models::checkpoint_path(folder_.path() / "parts", 8)));
}

// Parameters are on their way until the next step reads them; others wait for all of them.
TEST_F(ManyRanks, Zero1ShowsValidationWholeParameters) {
  config_.train.val_every = 1;
  config_.checkpoint.every = 3;
  const auto losses = [&](const std::string& name) {
    std::vector<double> all;
    for (const std::string& line : testing::timeless_metrics(folder_.path() / name)) {
      const auto record = nlohmann::json::parse(line);
      if (!record.contains("val")) continue;
      for (const auto& each : record["val"]) all.push_back(each["loss"].get<double>());
    }
    return all;
  };
  alone("one");
  config_.train.zero1 = true;
  const std::vector<double> want = losses("one");
  ASSERT_GE(want.size(), 8u);
  for (const bool overlap : {true, false}) {
    config_.train.overlap = overlap;
    const std::string name = overlap ? "shared" : "behind";
    EXPECT_EQ(together(3, name), (std::vector<std::string>{"", "", ""}));
    expect_equal(name, "one", 1e-12);
    const std::vector<double> got = losses(name);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12 * want[i]);
  }
}

TEST_F(ManyRanks, ResumeInAnyLayout) {
  alone("one");
  config_.train.steps = 4;
  for (const bool saved_shared : {false, true}) {
    for (const bool resumed_shared : {false, true}) {
      const std::string name = fmt::format("{} {}", saved_shared, resumed_shared);
      config_.train.steps = 4;
      config_.train.zero1 = saved_shared;
      EXPECT_EQ(together(2, name), kWell2);
      config_.train.steps = 8;
      config_.train.zero1 = resumed_shared;
      EXPECT_EQ(together(saved_shared ? 1 : 3, name, Resume::latest),
                std::vector<std::string>(saved_shared ? 1 : 3));
      expect_equal(name, "one", 1e-12);
    }
  }
}

TEST_F(ManyRanks, Bfloat16SumsStayClose) {
  config_.train.dtype = core::DType::float32;
  EXPECT_EQ(together(2, "float32"), kWell2);
  config_.train.reduce_dtype = core::DType::bfloat16;
  for (const bool zero1 : {false, true}) {
    config_.train.zero1 = zero1;
    EXPECT_EQ(together(2, zero1 ? "shared" : "bfloat16"), kWell2);
    expect_equal(zero1 ? "shared" : "bfloat16", "float32", 5e-3);
  }
}

// Buckets of two dtypes, in every way that gradients are summed.
TEST_F(ManyRanks, Bfloat16GradientsStayClose) {
  config_.train.dtype = core::DType::bfloat16;
  for (const bool tied : {false, true}) {
    config_.model.tied_embeddings = tied;
    config_.train.zero1 = false;
    const std::string name = tied ? "tied" : "untied";
    config_.train.gradient_dtype = core::DType::float32;
    alone(name + " float32");
    config_.train.gradient_dtype = core::DType::bfloat16;
    alone(name);
    expect_equal(name, name + " float32", 5e-3);
    EXPECT_EQ(together(2, name + " two"), kWell2);
    expect_equal(name + " two", name, 5e-3);
    config_.train.overlap = false;
    EXPECT_EQ(together(2, name + " behind"), kWell2);
    expect_equal(name + " behind", name + " two", 5e-3);
    config_.train.overlap = true;
    config_.train.zero1 = true;
    EXPECT_EQ(together(2, name + " shared"), kWell2);
    expect_equal(name + " shared", name + " two", 1e-12);
  }
}

TEST_F(ManyRanks, SavingInTheBackgroundChangesNothing) {
  config_.checkpoint.every = 1;
  for (const bool zero1 : {false, true}) {
    config_.train.zero1 = zero1;
    config_.checkpoint.background = false;
    const std::string now = zero1 ? "now shared" : "now";
    const std::string later = zero1 ? "later shared" : "later";
    EXPECT_EQ(together(2, now), kWell2);
    config_.checkpoint.background = true;
    EXPECT_EQ(together(2, later), kWell2);
    EXPECT_EQ(testing::read_tree(folder_.path() / now / "checkpoints"),
              testing::read_tree(folder_.path() / later / "checkpoints"));
    EXPECT_EQ(testing::timeless_metrics(folder_.path() / now),
              testing::timeless_metrics(folder_.path() / later));
  }
}

// Of what a save takes training waits for next to nothing: copies are made while gradients are
// computed.
TEST_F(ManyRanks, SavingInTheBackgroundDoesNotStopTraining) {
  config_.model.width = 128;
  config_.model.ffn = 512;
  config_.checkpoint.every = 4;
  config_.train.val_every = 0;
  const auto waited = [&](bool background) {
    config_.checkpoint.background = background;
    config_.run.dir = (folder_.path() / (background ? "later" : "now")).string();
    return testing::run_training(config_).save_waited;
  };
  const double now = waited(false);
  EXPECT_LT(waited(true), 0.3 * now);
}

TEST_F(ManyRanks, ABadGradientOfOneRankStopsAllBeforeTheUpdate) {
  config_.train.dtype = core::DType::float32;
  for (const bool zero1 : {false, true}) {
    config_.train.zero1 = zero1;
    const std::vector<std::string> said = together(2, "bad", Resume::no, 1);
    for (const std::string& line : said) {
      EXPECT_NE(line.find("step 1: the gradient norm is not a number: stopped before the update"),
                std::string::npos)
          << line;
    }
    EXPECT_FALSE(fs::exists(folder_.path() / "bad")) << "a start that failed leaves no traces";
  }
}

TEST_F(ManyRanks, TooFewRows) {
  config_.train.rows = 1;
  for (const std::string& line : together(2, "few")) {
    EXPECT_NE(line.find("train.rows = 1 are too few for 2 ranks"), std::string::npos) << line;
  }
}

TEST(Agreement, NamesRankAndDifference) {
  for (const int odd : {1, 2}) {
    for (const std::exception_ptr& error : test::run_ranks(3, [&](test::ThreadRank& world) {
           core::require_agreement(
               world,
               {{"the program", "v1", "start the same"},
                {"the config", world.rank() == odd ? "a: 1\nlr: 2\nb: 1" : "a: 1\nlr: 3\nb: 1",
                 "give all ranks the same config"}});
         })) {
      const std::string line = test::user_error([&] { std::rethrow_exception(error); });
      EXPECT_EQ(line, fmt::format("[ranks] the config of rank {} differs from that of rank 0: "
                                  "'lr: 2' and 'lr: 3' at rank 0: give all ranks the same config",
                                  odd));
    }
  }
  for (const std::exception_ptr& error : test::run_ranks(2, [&](test::ThreadRank& world) {
         core::require_agreement(world, {{"a", "", ""}, {"b", "same\ntext", ""}});
       })) {
    EXPECT_EQ(error, nullptr);
  }
}

TEST(Agreement, FirstDifference) {
  EXPECT_EQ(core::first_difference("a", "a\nb"), "'' and 'b'");
  EXPECT_EQ(core::first_difference("x\n  key: 1\n", "x\n  key: 2\n"), "'key: 1' and 'key: 2'");
  EXPECT_EQ(core::first_difference("", "z"), "'' and 'z'");
}

}  // namespace
}  // namespace unfold::train
