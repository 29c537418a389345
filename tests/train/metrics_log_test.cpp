#include "train/metrics_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "tests/support/temp_folder.h"

namespace unfold::train {
namespace {

using nlohmann::json;
using test::user_error;

std::vector<json> lines_of(const std::filesystem::path& file) {
  std::istringstream text(core::read_text_file(file));
  std::vector<json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
  return lines;
}

StepRecord step_record(std::int64_t step, double speed) {
  StepRecord record;
  record.step = step;
  record.loss = 1.0 / 3.0 / static_cast<double>(step);
  record.grad_norm = std::sqrt(static_cast<double>(step));
  record.lr = 1e-3 * static_cast<double>(step);
  record.tokens = 8192 * step;
  record.time = {0.5 / speed, 16384 * speed, static_cast<double>(step) / speed, 3.0};
  return record;
}

// Steps first..last of a run, with a validation every fourth step.
void write_steps(MetricsLog& log, std::int64_t first, std::int64_t last, double speed) {
  for (std::int64_t step = first; step <= last; ++step) {
    log.write(step_record(step, speed));
    if (step % 4 != 0) continue;
    const double loss = 2.0 / 7.0 / static_cast<double>(step);
    log.write(ValidationRecord{
        step, {{"full", loss, loss / 4, 100}, {"gist_only", loss * 2, loss / 2, 100}}, 1 / speed});
  }
}

std::vector<json> without_time(std::vector<json> lines) {
  for (json& line : lines) line.erase("time");
  return lines;
}

TEST(MetricsLog, WritesTheSchema) {
  const test::TempFolder folder;
  MetricsLog log = MetricsLog::create(folder / "metrics.jsonl");
  StepRecord record = step_record(1, 1.0);
  record.more = {{"alignment", 0.25}};
  log.write(record);
  log.write(ValidationRecord{1, {{"gist_only", 3.0, 1.5, 640}}, 2.0});
  log.sync();

  const std::string text = core::read_text_file(folder / "metrics.jsonl");
  EXPECT_EQ(text.find("{\"step\":1,\"loss\":"), 0u) << "fields keep their order: " << text;
  const auto lines = lines_of(folder / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["tokens"], 8192);
  EXPECT_EQ(lines[0]["alignment"], 0.25);
  EXPECT_EQ(lines[0]["time"]["tokens_per_second"], 16384.0);
  EXPECT_EQ(lines[1]["val"]["gist_only"]["bits_per_byte"], 1.5);
  EXPECT_EQ(lines[1]["val"]["gist_only"]["tokens"], 640);
  EXPECT_EQ(lines[1]["time"]["seconds"], 2.0);
}

TEST(MetricsLog, NumbersReadBackExactly) {
  const test::TempFolder folder;
  MetricsLog log = MetricsLog::create(folder / "m");
  const std::vector<double> values = {1.0 / 3.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, -0.0};
  for (const double value : values) {
    StepRecord record = step_record(1, 1.0);
    record.loss = value;
    log.write(record);
  }
  const auto lines = lines_of(folder / "m");
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(lines[i]["loss"].get<double>(), values[i]);
  }
}

TEST(MetricsLog, NonFiniteNumbersAreNull) {
  const test::TempFolder folder;
  MetricsLog log = MetricsLog::create(folder / "m");
  StepRecord record = step_record(1, 1.0);
  record.loss = std::numeric_limits<double>::quiet_NaN();
  record.grad_norm = std::numeric_limits<double>::infinity();
  log.write(record);
  EXPECT_TRUE(lines_of(folder / "m")[0]["loss"].is_null());
  EXPECT_TRUE(lines_of(folder / "m")[0]["grad_norm"].is_null());
}

TEST(MetricsLog, ExtraNumbersMayNotHideAField) {
  const test::TempFolder folder;
  MetricsLog log = MetricsLog::create(folder / "m");
  StepRecord record = step_record(1, 1.0);
  record.more = {{"loss", 1.0}};
  EXPECT_THROW(log.write(record), core::InternalError);
}

TEST(MetricsLog, CreateRefusesAnExistingLog) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "m", "");
  EXPECT_NE(user_error([&] { MetricsLog::create(folder / "m"); }).find("exists already"),
            std::string::npos);
}

TEST(MetricsLog, ResumedLogEqualsTheUninterruptedOne) {
  const test::TempFolder folder;
  {
    MetricsLog log = MetricsLog::create(folder / "whole");
    write_steps(log, 1, 20, 1.0);
  }
  {
    MetricsLog log = MetricsLog::create(folder / "killed");
    write_steps(log, 1, 11, 2.0);
  }
  {  // killed after step 11, resumed from the checkpoint of step 8, killed again at 14
    MetricsLog log = MetricsLog::resume(folder / "killed", 8);
    write_steps(log, 9, 14, 3.0);
  }
  {
    MetricsLog log = MetricsLog::resume(folder / "killed", 12);
    write_steps(log, 13, 20, 4.0);
  }
  EXPECT_EQ(without_time(lines_of(folder / "killed")), without_time(lines_of(folder / "whole")));
}

TEST(MetricsLog, TornLastLineIsDroppedAtEveryByte) {
  const test::TempFolder folder;
  {
    MetricsLog log = MetricsLog::create(folder / "whole");
    write_steps(log, 1, 3, 1.0);
  }
  const std::string whole = core::read_text_file(folder / "whole");
  const std::size_t two_lines = whole.find('\n', whole.find('\n') + 1) + 1;
  for (std::size_t cut = two_lines; cut < whole.size(); ++cut) {
    core::write_file_atomically(folder / "torn", whole.substr(0, cut));
    MetricsLog::resume(folder / "torn", 2);
    EXPECT_EQ(core::read_text_file(folder / "torn"), whole.substr(0, two_lines)) << cut;
  }
  // Only the line break is missing: the line is whole and stays.
  core::write_file_atomically(folder / "torn", whole.substr(0, whole.size() - 1));
  MetricsLog::resume(folder / "torn", 3);
  EXPECT_EQ(core::read_text_file(folder / "torn"), whole);
}

TEST(MetricsLog, ResumeKeepsTheFileWhenNothingIsToRemove) {
  const test::TempFolder folder;
  {
    MetricsLog log = MetricsLog::create(folder / "m");
    write_steps(log, 1, 3, 1.0);
  }
  const std::string before = core::read_text_file(folder / "m");
  MetricsLog::resume(folder / "m", 3);
  EXPECT_EQ(core::read_text_file(folder / "m"), before);
}

TEST(MetricsLog, DamagedMiddleLineIsNamed) {
  const test::TempFolder folder;
  for (const char* damaged : {"{\"step\": 1", "[]", "{\"step\": \"x\"}", "{\"step\": 1.5}",
                              "\xff\xfe", "", "{\"loss\": 1}"}) {
    core::write_file_atomically(folder / "m",
                                "{\"step\":1}\n" + std::string(damaged) + "\n{\"step\":2}\n");
    EXPECT_NE(user_error([&] { MetricsLog::resume(folder / "m", 1); }).find("m:2: not a line"),
              std::string::npos)
        << damaged;
  }
}

TEST(MetricsLog, HostileLinesAreErrorsNotCrashes) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "m", std::string(200'000, '[') + "\n{\"step\":2}\n");
  EXPECT_THROW(MetricsLog::resume(folder / "m", 1), core::UserError);
  core::write_file_atomically(folder / "m", "{\"step\":123456789012345678901234567890}\n\n\n");
  EXPECT_THROW(MetricsLog::resume(folder / "m", 1), core::UserError);
}

TEST(MetricsLog, MissingLogStartsAnew) {
  const test::TempFolder folder;
  {
    MetricsLog log = MetricsLog::resume(folder / "m", 8);
    write_steps(log, 9, 9, 1.0);
  }
  EXPECT_EQ(lines_of(folder / "m")[0]["step"], 9);
}

}  // namespace
}  // namespace unfold::train
