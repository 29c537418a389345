#include "eval/results.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using nlohmann::json;
using test::user_error;

Results example() {
  Results results;
  results.rows = {{"val", "full", 1, "bits_per_byte", 1.0 / 3.0, 16384, 0.3, 0.4, 498.25},
                  {"passkey", "gist_only", 8, "accuracy", 0.965, 200, 0.929, 0.986, 91}};
  results.config_yaml = "run:\n  seed: 42\n";
  results.version = "0.1.0";
  results.step = 300;
  results.parameters = 7'340'032;
  return results;
}

TEST(Results, WriteAndReadBackExactly) {
  const test::TempFolder folder;
  const Results written = example();
  write_results(folder / "results.json", written);
  const Results read = read_results(folder / "results.json");
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[0].task, "val");
  EXPECT_EQ(read.rows[0].value, 1.0 / 3.0);
  EXPECT_EQ(read.rows[0].n, 16384);
  EXPECT_EQ(read.rows[0].attended, 498.25);
  EXPECT_EQ(read.rows[1].method, "gist_only");
  EXPECT_EQ(read.rows[1].ratio, 8);
  EXPECT_EQ(read.rows[1].low, 0.929);
  EXPECT_EQ(read.rows[1].high, 0.986);
  EXPECT_EQ(read.config_yaml, written.config_yaml);
  EXPECT_EQ(read.version, "0.1.0");
  EXPECT_EQ(read.step, 300);
  EXPECT_EQ(read.parameters, 7'340'032);
  EXPECT_FALSE(read.compiler.empty());
}

TEST(Results, FileHasTheDocumentedShape) {
  const test::TempFolder folder;
  write_results(folder / "results.json", example());
  const json file = json::parse(core::read_text_file(folder / "results.json"));
  for (const char* key : {"rows", "versions", "config", "step"}) EXPECT_TRUE(file.contains(key));
  for (const char* key :
       {"task", "method", "ratio", "metric", "value", "n", "low", "high", "attended"}) {
    EXPECT_TRUE(file["rows"][0].contains(key)) << key;
  }
  EXPECT_EQ(file["versions"]["unfold"], "0.1.0");
}

TEST(Results, NonFiniteNumbersAndForeignBytesSurvive) {
  const test::TempFolder folder;
  Results results = example();
  results.rows[0].value = std::numeric_limits<double>::quiet_NaN();
  results.rows[0].task = "bad \xff utf-8";
  write_results(folder / "results.json", results);
  const Results read = read_results(folder / "results.json");
  EXPECT_TRUE(std::isnan(read.rows[0].value));
  EXPECT_EQ(read.rows[0].task, "bad \xef\xbf\xbd utf-8");
}

TEST(Results, EveryTruncationIsAUsersError) {
  const test::TempFolder folder;
  write_results(folder / "results.json", example());
  const std::string whole = core::read_text_file(folder / "results.json");
  for (std::size_t cut = 0; cut + 2 < whole.size(); cut += 7) {
    core::write_file_atomically(folder / "cut.json", whole.substr(0, cut));
    EXPECT_NE(user_error([&] { read_results(folder / "cut.json"); }).find("cut.json: not JSON at"),
              std::string::npos);
  }
}

TEST(Results, MalformedFieldsAreNamed) {
  const test::TempFolder folder;
  const auto error_of = [&folder](const json& file) {
    core::write_file_atomically(folder / "r.json", file.dump());
    return user_error([&] { read_results(folder / "r.json"); });
  };
  write_results(folder / "results.json", example());
  const json good = json::parse(core::read_text_file(folder / "results.json"));

  EXPECT_NE(error_of(json::array()).find("the file is not an object"), std::string::npos);
  EXPECT_NE(error_of(json::object()).find("'rows' is missing"), std::string::npos);
  json bad = good;
  bad["rows"] = "none";
  EXPECT_NE(error_of(bad).find("'rows' is not a list"), std::string::npos);
  bad = good;
  bad["rows"][1] = 7;
  EXPECT_NE(error_of(bad).find("row 1 is not an object"), std::string::npos);
  bad = good;
  bad["rows"][1].erase("metric");
  EXPECT_NE(error_of(bad).find("row 1: 'metric' is missing"), std::string::npos);
  bad = good;
  bad["rows"][0]["value"] = "high";
  EXPECT_NE(error_of(bad).find("row 0: 'value' is not a number"), std::string::npos);
  for (const json& n : {json(-1), json(1.5), json(18446744073709551615u), json("4")}) {
    bad = good;
    bad["rows"][0]["n"] = n;
    EXPECT_NE(error_of(bad).find("row 0: 'n' is not a whole number"), std::string::npos) << n;
  }
  bad = good;
  bad["versions"] = {1, 2};
  EXPECT_NE(error_of(bad).find("'versions' is not an object"), std::string::npos);
}

TEST(Results, HostileNestingIsAnErrorNotACrash) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "r.json", std::string(1'000'000, '['));
  EXPECT_THROW(read_results(folder / "r.json"), core::UserError);
  core::write_file_atomically(folder / "r.json", "{\"rows\":" + std::string(300'000, '[') +
                                                     std::string(300'000, ']') + "}");
  EXPECT_THROW(read_results(folder / "r.json"), core::UserError);
}

TEST(Results, MissingFileIsNamed) {
  const test::TempFolder folder;
  EXPECT_NE(user_error([&] { read_results(folder / "none.json"); }).find("none.json: no such file"),
            std::string::npos);
}

}  // namespace
}  // namespace unfold::eval
