#include "cli/number_text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/cli/run_program.h"

namespace unfold::cli {
namespace {

TEST(NumberText, IntegersAreWholeAndFit) {
  for (const char* good : {"0", "-1", "42", "9223372036854775807", "-9223372036854775808"}) {
    EXPECT_EQ(integer_error<std::int64_t>(good), "") << good;
  }
  for (const char* bad : {"", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "1,2", "abc", "--1"}) {
    EXPECT_EQ(integer_error<std::int64_t>(bad),
              std::string("expected an integer, found '") + bad + "'");
  }
  EXPECT_EQ(integer_error<std::int64_t>("9223372036854775808"),
            "9223372036854775808 is too large: at most 9223372036854775807");
  EXPECT_EQ(integer_error<std::uint64_t>("18446744073709551615"), "");
  EXPECT_NE(integer_error<std::uint64_t>("18446744073709551616"), "");
  EXPECT_EQ(integer_error<std::uint64_t>("-5"), "expected an integer of 0 or more, found '-5'");
}

TEST(NumberText, NumbersAreFinite) {
  for (const char* good : {"0", "-1.5", "1e-3", ".5", "8"})
    EXPECT_EQ(number_error(good), "") << good;
  for (const char* bad : {"", "nan", "inf", "-inf", "1e999", "1.5x", "eight"}) {
    EXPECT_NE(number_error(bad), "") << bad;
  }
}

// In every kind of option: one value, an optional one, a list, unsigned.
TEST(NumberText, OptionsTakeNoOtherNumbers) {
  const std::string large(23, '9');
  const std::vector<std::string> lines = {
      "inspect visibility --pattern 'a b' --previous " + large,
      "inspect visibility --pattern 'a b' --levels 1.5",
      "inspect insertion --tokens 'a|b' --chunks 4," + large,
      "generate no_run --prompt x --seed " + large,
      "generate no_run --prompt x --seed -1",
      "data synthesize --task recall --out no_file --count " + large,
      "data synthesize --task recall --out no_file --count 0",
      "data synthesize --task recall --out no_file --seed -5",
  };
  for (const std::string& line : lines) {
    const ProgramResult result = run_unfold(line);
    EXPECT_EQ(result.code, 2) << line;
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    EXPECT_LT(result.err.size(), 200u) << result.err;
    EXPECT_NE(result.err.find("--"), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace unfold::cli
