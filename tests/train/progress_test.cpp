#include "train/progress.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace unfold::train {
namespace {

TEST(TrainProgress, ShowsTheStepAndTimesIt) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* stream = ::open_memstream(&text, &size);
  double now = 50;
  core::ProgressOptions base;
  base.mode = core::ProgressMode::plain;
  base.stream = stream;
  base.clock = [&now] { return now; };
  {
    TrainProgress progress(300, 110, 10, base);
    StepRecord record;
    for (record.step = 111; record.step <= 120; ++record.step) {
      now += 0.5;  // validation and the like, which is no training time
      progress.begin_step();
      now += 1.5;
      record.loss = 3.2141;
      record.grad_norm = 0.803;
      record.lr = 9.1e-4;
      record.time = progress.end_step(3150);
      progress.show(record);
    }
    EXPECT_DOUBLE_EQ(record.time.seconds, 1.5);
    EXPECT_DOUBLE_EQ(record.time.tokens_per_second, 2100);
    EXPECT_DOUBLE_EQ(record.time.elapsed, 20);
    EXPECT_DOUBLE_EQ(record.time.eta, 360);
  }
  {
    TrainProgress progress(300, 119, 10, base);
    StepRecord record;
    record.step = 120;
    record.loss = 3.2141;
    progress.begin_step();
    now += 1.5;
    record.time = progress.end_step(3150);
    record.time.mfu = 0.4149;
    progress.show(record);
  }
  std::fflush(stream);
  EXPECT_EQ(std::string(text, size),
            "step 120/300  40%  loss 3.214  2.1k tok/s  grad 0.8  lr 9.1e-04  eta 6:00\n"
            "step 120/300  40%  loss 3.214  2.1k tok/s  mfu 41%  grad 0  lr 0.0e+00  eta 4:30\n");
  std::fclose(stream);
  std::free(text);
}

}  // namespace
}  // namespace unfold::train
