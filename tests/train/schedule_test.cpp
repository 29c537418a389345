#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace unfold::train {
namespace {

ScheduleConfig schedule(ScheduleKind kind, std::int64_t warmup) {
  ScheduleConfig config;
  config.kind = kind;
  config.warmup = warmup;
  config.min_ratio = 0.1;
  config.decay_fraction = 0.25;
  return config;
}

TEST(Schedule, WarmUpRisesLinearlyAndReachesThePeakOnce) {
  for (const ScheduleKind kind :
       {ScheduleKind::constant, ScheduleKind::cosine, ScheduleKind::wsd}) {
    const ScheduleConfig config = schedule(kind, 4);
    for (std::int64_t step = 0; step < 4; ++step) {
      EXPECT_DOUBLE_EQ(schedule_factor(config, step, 100), 0.25 * static_cast<double>(step + 1));
    }
    EXPECT_DOUBLE_EQ(schedule_factor(config, 4, 100), 1.0);
  }
}

TEST(Schedule, Constant) {
  for (const std::int64_t step : {0, 1, 50, 99, 1000}) {
    EXPECT_EQ(schedule_factor(schedule(ScheduleKind::constant, 0), step, 100), 1.0);
  }
}

TEST(Schedule, CosineIsHalfAPeriodBehindTheWarmUp) {
  const ScheduleConfig config = schedule(ScheduleKind::cosine, 20);
  EXPECT_DOUBLE_EQ(schedule_factor(config, 20, 120), 1.0);
  EXPECT_DOUBLE_EQ(schedule_factor(config, 70, 120), 0.55);  // half way: mean of 1 and 0.1
  EXPECT_NEAR(schedule_factor(config, 45, 120), 0.1 + 0.9 * (0.5 + std::sqrt(0.125)), 1e-12);
  EXPECT_DOUBLE_EQ(schedule_factor(config, 120, 120), 0.1);
  EXPECT_DOUBLE_EQ(schedule_factor(config, 500, 120), 0.1);  // never rises again
  for (std::int64_t step = 21; step < 120; ++step) {
    EXPECT_LT(schedule_factor(config, step, 120), schedule_factor(config, step - 1, 120));
  }
}

TEST(Schedule, WarmupStableDecay) {
  const ScheduleConfig config = schedule(ScheduleKind::wsd, 10);
  for (const std::int64_t step : {10, 40, 75}) {
    EXPECT_DOUBLE_EQ(schedule_factor(config, step, 100), 1.0);
  }
  EXPECT_NEAR(schedule_factor(config, 80, 100), 1.0 - 0.9 * 5 / 25, 1e-12);
  EXPECT_DOUBLE_EQ(schedule_factor(config, 100, 100), 0.1);
  EXPECT_DOUBLE_EQ(schedule_factor(config, 300, 100), 0.1);
}

TEST(Schedule, DegenerateLengths) {
  // A warm-up over the whole run, a run of one step, no decay at all.
  EXPECT_DOUBLE_EQ(schedule_factor(schedule(ScheduleKind::cosine, 8), 7, 8), 1.0);
  EXPECT_DOUBLE_EQ(schedule_factor(schedule(ScheduleKind::cosine, 0), 0, 1), 1.0);
  ScheduleConfig config = schedule(ScheduleKind::wsd, 0);
  config.decay_fraction = 0;
  for (const std::int64_t step : {0, 98, 99}) {
    EXPECT_DOUBLE_EQ(schedule_factor(config, step, 100), 1.0) << step;
  }
}

}  // namespace
}  // namespace unfold::train
