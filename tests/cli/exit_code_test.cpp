#include "cli/exit_code.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>

#include "core/error.h"

namespace unfold::cli {
namespace {

struct Outcome {
  int code;
  std::string stderr_text;
};

Outcome outcome_of(const std::function<int()>& body) {
  ::testing::internal::CaptureStderr();
  const int code = exit_code_of(body);
  return {code, ::testing::internal::GetCapturedStderr()};
}

TEST(ExitCode, ResultOfTheBody) {
  const Outcome outcome = outcome_of([] { return 0; });
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.stderr_text, "");
}

TEST(ExitCode, UserErrorIsOneLine) {
  const Outcome outcome =
      outcome_of([]() -> int { throw core::UserError("data", "two\nlines:\n"); });
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.stderr_text, "[data] two lines:\n");
}

TEST(ExitCode, BugsAskForAReport) {
  const Outcome inside =
      outcome_of([]() -> int { throw core::InternalError("tape", "broken invariant"); });
  EXPECT_EQ(inside.code, 70);
  EXPECT_EQ(inside.stderr_text.find("[tape] broken invariant ("), 0u) << inside.stderr_text;
  EXPECT_NE(inside.stderr_text.find("this is a bug"), std::string::npos);
  EXPECT_EQ(outcome_of([]() -> int { throw std::runtime_error("x"); }).code, 70);
  EXPECT_EQ(outcome_of([]() -> int { throw 3; }).code, 70);
}

TEST(ExitCode, APathThatTheSystemRefusesIsNoBug) {
  const Outcome outcome = outcome_of([]() -> int {
    return std::filesystem::exists(std::string(5000, 'a')) ? 0 : 1;  // throws: the name is too long
  });
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.stderr_text.find("[file] aaaa"), 0u) << outcome.stderr_text;
  EXPECT_NE(outcome.stderr_text.find("name too long"), std::string::npos) << outcome.stderr_text;
}

TEST(ExitCode, SignalsAndMemory) {
  EXPECT_EQ(outcome_of([]() -> int { throw core::Interrupted(SIGINT); }).code, 130);
  EXPECT_EQ(outcome_of([]() -> int { throw core::Interrupted(SIGTERM); }).code, 143);
  EXPECT_EQ(outcome_of([]() -> int { throw std::bad_alloc(); }).code, 2);
}

}  // namespace
}  // namespace unfold::cli
