#include "core/comm/stall.h"

#include <gtest/gtest.h>

namespace unfold::core {
namespace {

Pulse pulse(std::uint64_t moves, std::uint64_t collectives, bool waiting, std::string busy = "") {
  return {moves, collectives, waiting, std::move(busy)};
}

TEST(Stall, APulseIsReadBack) {
  const Pulse sent = pulse(123456789012, 77, true, "saving a checkpoint");
  const auto read = Pulse::decode(sent.encode());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->moves, sent.moves);
  EXPECT_EQ(read->collectives, 77u);
  EXPECT_TRUE(read->waiting);
  EXPECT_EQ(read->busy, "saving a checkpoint");
  EXPECT_FALSE(Pulse::decode("short"));
}

TEST(Stall, NamesTheRankThatOthersWaitFor) {
  StallJudge judge(3, 40, 0);
  for (double time = 1; time < 100; ++time) {
    judge.heard(0, pulse(10, 6, true), time);
    judge.heard(1, pulse(9, 5, false), time);  // computes for ever
    judge.heard(2, pulse(10, 6, true), time);
    const auto verdict = judge.hanging(time);
    if (time < 40) {
      EXPECT_FALSE(verdict) << time;
    } else if (time > 42) {
      ASSERT_TRUE(verdict) << time;
      EXPECT_EQ(verdict->rank, 1);
      EXPECT_NE(verdict->why.find("hangs"), std::string::npos);
    }
  }
}

TEST(Stall, IsPatientWithWorkThatTakesLong) {
  StallJudge judge(2, 40, 0);
  for (double time = 1; time < 500; ++time) {
    judge.heard(0, pulse(9, 5, false, "saving a checkpoint"), time);
    judge.heard(1, pulse(10, 6, true), time);
    EXPECT_FALSE(judge.hanging(time)) << time;
  }
}

TEST(Stall, IsPatientWhileSomebodyGetsOn) {
  StallJudge judge(2, 40, 0);
  for (double time = 1; time < 500; ++time) {
    judge.heard(0, pulse(static_cast<std::uint64_t>(time), 5, false), time);
    judge.heard(1, pulse(10, 6, true), time);
    EXPECT_FALSE(judge.hanging(time)) << time;
  }
}

TEST(Stall, NobodyWaitsInALongStep) {
  StallJudge judge(2, 40, 0);
  for (double time = 1; time < 500; ++time) {
    judge.heard(0, pulse(1, 5, false), time);
    judge.heard(1, pulse(1, 5, false), time);
    EXPECT_FALSE(judge.hanging(time)) << time;
  }
}

TEST(Stall, ANetworkThatHangs) {
  StallJudge judge(2, 40, 0);
  judge.heard(0, pulse(1, 5, true), 1);
  judge.heard(1, pulse(1, 5, true), 1);
  const auto verdict = judge.hanging(60);
  ASSERT_TRUE(verdict);
  EXPECT_NE(verdict->why.find("network"), std::string::npos);
}

TEST(Stall, Silence) {
  StallJudge judge(3, 40, 0);
  judge.heard(0, pulse(1, 1, false), 30);
  judge.heard(2, pulse(1, 1, false), 30);
  EXPECT_FALSE(judge.silent(15, 20));
  const auto verdict = judge.silent(31, 20);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->rank, 1);
  judge.forget(1);  // it said goodbye
  EXPECT_FALSE(judge.silent(31, 20));
}

}  // namespace
}  // namespace unfold::core
