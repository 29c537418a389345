#include "core/error.h"

#include <gtest/gtest.h>

namespace unfold::core {
namespace {

TEST(Error, CheckNamesTagMessageAndLine) {
  try {
    check(false, "attention", "key has {} heads, query has {}", 3, 4);
    FAIL() << "check(false) must throw";
  } catch (const InternalError& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("[attention] key has 3 heads, query has 4"), std::string::npos) << what;
    EXPECT_NE(what.find("error_test.cpp:"), std::string::npos) << what;
  }
}

TEST(Error, RequireThrowsUserErrorWithoutLocation) {
  try {
    require(false, "config", "{}:{}: unknown key", "a.yaml", 7);
    FAIL() << "require(false) must throw";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "[config] a.yaml:7: unknown key");
  }
}

TEST(Error, TrueConditionsPass) {
  EXPECT_NO_THROW(check(true, "x", "never"));
  EXPECT_NO_THROW(require(true, "x", "never"));
}

}  // namespace
}  // namespace unfold::core
