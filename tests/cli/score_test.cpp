// unfold score, run as a user would.
#include <gtest/gtest.h>

#include <string>

#include "tests/cli/run_program.h"

namespace unfold::cli {
namespace {

constexpr const char* kLines =
    "{\"pred\": \"Paris\", \"answers\": [\"Paris\"], \"all_classes\": null, \"length\": 3000}\n"
    "{\"pred\": \"London\", \"answers\": [\"Paris\"], \"all_classes\": null, \"length\": 9000}\n"
    "{\"pred\": \"in Paris\", \"answers\": [\"x\", \"Paris\"], \"all_classes\": null, \"length\": "
    "1}\n";

TEST(Score, PrintsOneLineOfJson) {
  const TestFolder folder("score");
  const std::string file = folder.write("hotpotqa.jsonl", kLines);
  const auto score = [&](const std::string& options) {
    const ProgramResult result =
        run_unfold(fmt::format("score --predictions '{}' {}", file, options));
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(score("--dataset hotpotqa"),
            "{\"dataset\":\"hotpotqa\",\"score\":55.56,\"n\":3,\"buckets\":{}}\n");
  EXPECT_EQ(score("--dataset hotpotqa --e"),
            "{\"dataset\":\"hotpotqa\",\"score\":55.56,\"n\":3,"
            "\"buckets\":{\"0-4k\":83.33,\"4-8k\":null,\"8k+\":0.0}}\n");
  EXPECT_EQ(score("--dataset rag"),
            "{\"dataset\":\"rag\",\"score\":66.67,\"n\":3,\"buckets\":{}}\n");
  EXPECT_EQ(score("--dataset rag --metric em"),
            "{\"dataset\":\"rag\",\"score\":33.33,\"n\":3,\"buckets\":{}}\n");
}

TEST(Score, Errors) {
  const TestFolder folder("score_errors");
  const std::string file = folder.write("hotpotqa.jsonl", std::string(kLines) + "{\"pred\": 1}\n");
  const std::string bare = folder.write("bare.jsonl", "{\"pred\": \"\", \"answers\": []}\n");
  const auto expect = [&](const std::string& arguments, const std::string& part) {
    const ProgramResult result = run_unfold("score " + arguments);
    EXPECT_EQ(result.code, 2) << arguments << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  };
  expect("", "--dataset");
  expect("--dataset hotpotqa", "--predictions");
  expect(fmt::format("--dataset hotpotqa --predictions '{}'", file), "hotpotqa.jsonl:4: expected");
  expect(fmt::format("--dataset hotpot --predictions '{}'", file), "hotpot: unknown data set");
  expect("--dataset hotpotqa --predictions none.jsonl", "none.jsonl");
  expect(fmt::format("--dataset hotpotqa --e --predictions '{}'", bare), "bare.jsonl:1: no length");
  expect(fmt::format("--dataset rag --metric f2 --predictions '{}'", bare), "subspan_em, em, f1");
  expect(fmt::format("--dataset vcsum --jieba . --predictions '{}'", bare), "holds neither");
}

}  // namespace
}  // namespace unfold::cli
