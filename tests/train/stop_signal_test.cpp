#include "train/stop_signal.h"

#include <gtest/gtest.h>

namespace unfold::train {
namespace {

TEST(StopSignal, RemembersTheFirst) {
  for (const int signal : kStopSignals) {
    const StopSignal stop;
    EXPECT_EQ(stop.received(), 0);
    std::raise(signal);
    EXPECT_EQ(stop.received(), signal);
  }
}

// As under nohup.
TEST(StopSignal, AnIgnoredHangUpStaysIgnored) {
  std::signal(SIGHUP, SIG_IGN);
  {
    const StopSignal stop;
    std::raise(SIGHUP);
    EXPECT_EQ(stop.received(), 0);
  }
  EXPECT_EQ(std::signal(SIGHUP, SIG_DFL), SIG_IGN);
}

}  // namespace
}  // namespace unfold::train
