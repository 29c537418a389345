#include "models/formats/checkpoint_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

namespace fs = std::filesystem;
using Steps = std::vector<std::int64_t>;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void make(const fs::path& run, std::int64_t step, const std::string& content = "weights") {
  write_checkpoint(run, step, 100, [&](const fs::path& folder) {
    write(folder / "model.h5", content);
    write(folder / "trainer.h5", "moments");
  });
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(CheckpointFolder, ListsFinishedStepsInOrder) {
  const test::TempFolder run;
  EXPECT_EQ(list_checkpoints(run.path()), Steps{});
  for (const std::int64_t step : {100, 20, 3}) make(run.path(), step);
  const fs::path folder = run / "checkpoints";
  for (const char* name : {".step-7.writing", ".step-8.removing", "step-x", "step-", "step--4",
                           "step-4x", "step-05", "step-99999999999999999999", "other"}) {
    write(folder / name / "manifest.json", "{}");
  }
  write(folder / "step-9", "a file");
  EXPECT_EQ(list_checkpoints(run.path()), (Steps{3, 20, 100}));
  for (const std::int64_t step : {3, 20, 100}) verify_checkpoint(run.path(), step);
  // Nothing that is written here leaves one without a manifest: it was taken away.
  fs::create_directories(folder / "step-600");
  EXPECT_EQ(list_checkpoints(run.path()), (Steps{3, 20, 100, 600}));
  const std::string error = test::user_error([&] { verify_checkpoint(run.path(), 600); });
  EXPECT_NE(error.find("step-600/manifest.json: missing"), std::string::npos) << error;
  set_aside_checkpoint(run.path(), 600);
  EXPECT_EQ(list_checkpoints(run.path()), (Steps{3, 20, 100}));
}

// A run whose checkpoints cannot be seen is not one that has none.
TEST(CheckpointFolder, WhatCannotBeListedIsAnError) {
  const test::TempFolder run;
  const fs::path folder = run / "checkpoints";
  const auto error = [&] { return test::user_error([&] { list_checkpoints(run.path()); }); };
  fs::create_symlink(run / "unmounted", folder);
  EXPECT_NE(error().find("leads nowhere"), std::string::npos) << error();
  fs::create_directories(run / "unmounted");
  EXPECT_EQ(list_checkpoints(run.path()), Steps{});
  fs::remove(folder);
  fs::create_symlink("checkpoints", folder);  // a loop
  EXPECT_NE(error().find("cannot be looked up"), std::string::npos) << error();
}

TEST(CheckpointFolder, ReplacesAnExistingStep) {
  const test::TempFolder run;
  make(run.path(), 5, "old");
  make(run.path(), 5, "new");
  verify_checkpoint(run.path(), 5);
  EXPECT_EQ(read(checkpoint_path(run.path(), 5) / "model.h5"), "new");
  EXPECT_EQ(names_in(run / "checkpoints"), std::vector<std::string>{"step-5"});
}

TEST(CheckpointFolder, LeftoversOfAKillAreIgnoredAndCleaned) {
  const test::TempFolder run;
  make(run.path(), 1);
  const fs::path folder = run / "checkpoints";
  write(folder / ".step-2.writing" / "model.h5", "half");
  write(folder / ".step-3.writing" / "manifest.json", "{}");
  write(folder / ".step-0.removing" / "manifest.json", "{}");
  EXPECT_EQ(list_checkpoints(run.path()), Steps{1});
  make(run.path(), 2);  // over its own leftover
  verify_checkpoint(run.path(), 2);
  EXPECT_EQ(read(checkpoint_path(run.path(), 2) / "model.h5"), "weights");
  prune_checkpoints(run.path(), 5);
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"step-1", "step-2"}));
}

TEST(CheckpointFolder, AFailedFillLeavesNothing) {
  const test::TempFolder run;
  make(run.path(), 1);
  const auto failing = [&](const auto& thrown) {
    write_checkpoint(run.path(), 2, 100, [&](const fs::path& folder) {
      write(folder / "model.h5", "half");
      throw thrown;
    });
  };
  EXPECT_THROW(failing(core::UserError("test", "disk full")), core::UserError);
  EXPECT_THROW(failing(fs::filesystem_error("x", std::make_error_code(std::errc::io_error))),
               core::UserError);
  EXPECT_EQ(names_in(run / "checkpoints"), std::vector<std::string>{"step-1"});
}

TEST(CheckpointFolder, ADiskTooSmallIsRefusedBeforeAnythingIsWritten) {
  const test::TempFolder run;
  const std::string error = test::user_error([&] {
    write_checkpoint(run.path(), 2, std::uint64_t{1} << 60,
                     [](const fs::path&) { FAIL() << "must not be written"; });
  });
  EXPECT_NE(error.find("step-2"), std::string::npos) << error;
  EXPECT_NE(error.find("free some space"), std::string::npos) << error;
  EXPECT_TRUE(names_in(run / "checkpoints").empty());
}

TEST(CheckpointFolder, AFolderThatCannotBeMadeIsAUserError) {
  const test::TempFolder run;
  write(run / "checkpoints", "a file in the way");
  const std::string error = test::user_error([&] { make(run.path(), 1); });
  EXPECT_NE(error.find("checkpoints"), std::string::npos) << error;
  const std::string listed = test::user_error([&] { list_checkpoints(run.path()); });
  EXPECT_NE(listed.find("not a folder"), std::string::npos) << listed;
}

TEST(CheckpointFolder, PruneKeepsTheNewestAndTheBest) {
  const test::TempFolder run;
  for (std::int64_t step = 1; step <= 6; ++step) make(run.path(), step);
  prune_checkpoints(run.path(), 6);
  EXPECT_EQ(list_checkpoints(run.path()).size(), 6u);
  write_best(run.path(), BestCheckpoint{2, 1.5});
  prune_checkpoints(run.path(), 3);
  EXPECT_EQ(list_checkpoints(run.path()), (Steps{2, 4, 5, 6}));
  write_best(run.path(), BestCheckpoint{6, 1.25});
  prune_checkpoints(run.path(), 1);
  EXPECT_EQ(list_checkpoints(run.path()), Steps{6});
}

TEST(CheckpointFolder, BestReadsBackExactly) {
  const test::TempFolder run;
  EXPECT_FALSE(read_best(run.path()));
  make(run.path(), 7);
  const BestCheckpoint best = {7, 1.0 / 3.0};
  write_best(run.path(), best);
  EXPECT_EQ(read_best(run.path())->step, 7);
  EXPECT_EQ(read_best(run.path())->loss, best.loss);
  write_best(run.path(), std::nullopt);
  EXPECT_FALSE(read_best(run.path()));
  for (const char* bad : {"", "{", "[]", "7", "{}", "{\"step\": 1}", "{\"loss\": 1}",
                          "{\"step\": \"7\", \"loss\": 1}", "{\"step\": 1.5, \"loss\": 1}",
                          "{\"step\": 1, \"loss\": null}", "\xff\xfe"}) {
    write(run / "checkpoints" / "best.json", bad);
    const std::string error = test::user_error([&] { read_best(run.path()); });
    EXPECT_NE(error.find("best.json"), std::string::npos) << error;
  }
}

TEST(CheckpointFolder, HostileManifestsAreRefused) {
  const test::TempFolder run;
  make(run.path(), 5);
  const fs::path manifest = checkpoint_path(run.path(), 5) / "manifest.json";
  const std::string good = read(manifest);
  const std::string deep(100000, '[');
  const std::string entry = R"({"bytes": 7, "crc32c": 1})";
  for (const std::string& bad :
       {std::string(), std::string("{}"), std::string("null"), deep, good + good, good + "\n",
        std::string(R"({"step": 5, "files": []})"), std::string(R"({"step": 5, "files": {}})"),
        R"({"step": 5, "files": {"../../secret": )" + entry + "}}",
        R"({"step": 5, "files": {"model.h5": )" + entry + "}}",
        std::string(R"({"step": 5, "files": {"model.h5": {"bytes": -7, "crc32c": 1}}})"),
        std::string(R"({"step": 5, "files": {"model.h5": {"bytes": 1e300, "crc32c": 1}}})")}) {
    write(manifest, bad);
    const std::string error = test::user_error([&] { verify_checkpoint(run.path(), 5); });
    EXPECT_NE(error.find("step-5"), std::string::npos) << error;
  }
  write(manifest, good);
  verify_checkpoint(run.path(), 5);
}

TEST(CheckpointFolder, AMissingOrExchangedFileIsNamed) {
  const test::TempFolder run;
  make(run.path(), 5);
  const fs::path model = checkpoint_path(run.path(), 5) / "model.h5";
  const auto expect = [&](const std::string& part) {
    const std::string error = test::user_error([&] { verify_checkpoint(run.path(), 5); });
    EXPECT_NE(error.find(model.string() + ": " + part), std::string::npos) << error;
  };
  write(model, "Weights");
  expect("damaged (its checksum differs)");
  write(model, "weight");
  expect("6 bytes where 7 were written");
  fs::remove(model);
  expect("missing");
  fs::create_directories(model);
  expect("missing");
}

}  // namespace
}  // namespace unfold::models
