#include "core/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/text_format.h"

namespace unfold::core {
namespace {

TEST(TextFormat, Durations) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(83), "1:23");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(2 * 86400 + 11045), "2d 03:04:05");
  EXPECT_EQ(format_duration(-1), "-");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::quiet_NaN()), "-");
  EXPECT_EQ(format_duration(1e300), "-");
}

TEST(TextFormat, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(7), "7");
  EXPECT_EQ(format_count(0.53), "0.53");
  EXPECT_EQ(format_count(5.31), "5.3");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(999.6), "1.0k");
  EXPECT_EQ(format_count(1234), "1.2k");
  EXPECT_EQ(format_count(123'456), "123k");
  EXPECT_EQ(format_count(999'600), "1.0M");
  EXPECT_EQ(format_count(1.2e6), "1.2M");
  EXPECT_EQ(format_count(-2500), "-2.5k");
  EXPECT_EQ(format_count(std::numeric_limits<double>::infinity()), "-");
}

TEST(TextFormat, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(1000.0 * 1024), "1.0 MiB");
  EXPECT_EQ(format_bytes(3.0 * (1 << 30)), "3.0 GiB");
}

// A progress line that writes into memory and whose clock the test sets.
class ProgressTest : public testing::Test {
 protected:
  ~ProgressTest() override {
    if (stream_) std::fclose(stream_);
    std::free(text_);
  }
  ProgressOptions options(ProgressMode mode) {
    ProgressOptions result;
    result.label = "step";
    result.total = 300;
    result.every = 10;
    result.mode = mode;
    result.stream = stream_;
    result.clock = [this] { return now_; };
    return result;
  }
  std::string written() {
    std::fflush(stream_);
    return std::string(text_, size_);
  }
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* stream_ = ::open_memstream(&text_, &size_);
  double now_ = 100;
};

TEST_F(ProgressTest, PlainLinesEverySoManyUnits) {
  const std::array<ProgressField, 2> fields = {{{"loss", "3.214"}, {"", "2.1k tok/s"}}};
  {
    Progress progress(options(ProgressMode::plain));
    for (int step = 1; step <= 25; ++step) {
      now_ += 1;
      progress.update(step, fields);
    }
  }
  EXPECT_EQ(written(),
            "step 10/300  3%  loss 3.214  2.1k tok/s  eta 4:50\n"
            "step 20/300  6%  loss 3.214  2.1k tok/s  eta 4:40\n"
            "step 25/300  8%  loss 3.214  2.1k tok/s  in 0:25\n");
}

TEST_F(ProgressTest, LiveLineIsRedrawnAtMostTenTimesASecond) {
  Progress progress(options(ProgressMode::live));
  progress.update(1);
  for (int step = 2; step <= 100; ++step) {
    now_ += 0.001;
    progress.update(step);
  }
  EXPECT_EQ(written().find("step 50/"), std::string::npos);
  now_ += 1;
  progress.update(120);
  progress.finish();
  progress.update(130);
  const std::string text = written();
  EXPECT_NE(text.find("\rstep 120/300  40%"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text.find("130"), std::string::npos) << "updates after the end are ignored";
}

TEST_F(ProgressTest, LongLiveLineIsCutToTheScreen) {
  const std::array<ProgressField, 1> fields = {{{"name", std::string(500, 'x')}}};
  Progress progress(options(ProgressMode::live));
  progress.update(1, fields);
  EXPECT_LT(written().size(), 90u);
}

TEST_F(ProgressTest, EtaCountsOnlyThisProcess) {
  ProgressOptions resumed = options(ProgressMode::plain);
  resumed.start = 200;
  Progress progress(std::move(resumed));
  EXPECT_TRUE(std::isnan(progress.eta()));
  now_ += 20;
  progress.update(210);
  EXPECT_DOUBLE_EQ(progress.eta(), 180);
  progress.finish();
}

TEST_F(ProgressTest, UnknownTotalAndBytes) {
  ProgressOptions bytes = options(ProgressMode::plain);
  bytes.label = "tokenize";
  bytes.total = 0;
  bytes.every = 1 << 20;
  bytes.unit = ProgressUnit::bytes;
  {
    Progress progress(std::move(bytes));
    progress.update(3 << 20);
  }
  EXPECT_EQ(written(), "tokenize 3.0 MiB\n");
}

TEST_F(ProgressTest, NothingToShowWritesNothing) {
  { Progress progress(options(ProgressMode::plain)); }
  { Progress progress(options(ProgressMode::live)); }
  EXPECT_EQ(written(), "");
}

}  // namespace
}  // namespace unfold::core
