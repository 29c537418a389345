#include "core/comm/monitor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace unfold::core {
namespace {

// Watches of several ranks in one process, quick ones.
class Watches : public ::testing::Test {
 protected:
  void start(int ranks, double silence = 5, double patience = 5) {
    for (int rank = 0; rank < ranks; ++rank) {
      MonitorOptions options;
      options.rank = rank;
      options.world_size = ranks;
      options.name = "host" + std::to_string(rank);
      options.silence = silence;
      options.patience = patience;
      options.beat = 0.05;
      options.grace = 1e9;
      options.interfaces = "lo";
      options.end_process = [](int) {};
      options.say = [this](const std::string& line) {
        const std::lock_guard lock(mutex_);
        said_ += line + "\n";
      };
      watches_.push_back(std::make_unique<Monitor>(options));
    }
    const std::string invitation = watches_[0]->invitation();
    std::vector<std::thread> threads;
    for (auto& watch : watches_) threads.emplace_back([&] { watch->start(invitation); });
    for (std::thread& thread : threads) thread.join();
  }
  void expect_all_stop(std::size_t but, double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    for (std::size_t i = 0; i < watches_.size(); ++i) {
      if (i == but) continue;
      while (!watches_[i]->stopped() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      EXPECT_TRUE(watches_[i]->stopped()) << i;
    }
  }
  std::string said() {
    const std::lock_guard lock(mutex_);
    return said_;
  }

  std::mutex mutex_;
  std::string said_;
  std::vector<std::unique_ptr<Monitor>> watches_;
};

TEST_F(Watches, AGoodEndIsQuiet) {
  start(3);
  std::vector<std::thread> threads;
  for (auto& watch : watches_) threads.emplace_back([&] { watch->goodbye(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(said(), "");
  for (auto& watch : watches_) EXPECT_FALSE(watch->stopped());
}

TEST_F(Watches, ARankThatDies) {
  start(3);
  watches_[1].reset();  // its connection closes without a goodbye
  watches_.erase(watches_.begin() + 1);
  expect_all_stop(99, 5);
  EXPECT_NE(said().find("rank 1 (host1) ended without a word"), std::string::npos) << said();
  EXPECT_EQ(watches_[1]->end().code, kRankLostCode);
  EXPECT_NE(watches_[1]->end().why.find("rank 1 (host1)"), std::string::npos);
}

TEST_F(Watches, RankZeroDies) {
  start(3);
  watches_.erase(watches_.begin());
  expect_all_stop(99, 5);
  EXPECT_NE(said().find("rank 0 (host0) ended without a word"), std::string::npos) << said();
}

TEST_F(Watches, ARankThatFails) {
  start(3);
  const Monitor::End end = watches_[2]->fail("[train] step 7: the loss is infinite", 2);
  EXPECT_TRUE(end.said);
  EXPECT_EQ(end.code, 2);
  expect_all_stop(99, 5);
  EXPECT_EQ(
      said(),
      "[ranks] rank 2 (host2) failed: [train] step 7: the loss is infinite: all ranks stop\n");
  EXPECT_EQ(watches_[1]->end().code, 2);
}

TEST_F(Watches, AllFailWithTheSameError) {
  start(3);
  std::vector<std::thread> threads;
  for (auto& watch : watches_) threads.emplace_back([&] { watch->fail("[data] missing", 2); });
  for (std::thread& thread : threads) thread.join();
  // One line at the most: where rank 0 was first, its program writes it.
  EXPECT_LE(std::count(said_.begin(), said_.end(), '\n'), 1) << said();
  for (auto& watch : watches_) EXPECT_EQ(watch->end().code, 2);
}

// mpirun kills all ranks when one of them ends: the one that tells people would not come to it.
TEST_F(Watches, NobodyLeavesBeforePeopleWereTold) {
  start(2);
  std::thread other([&] { EXPECT_TRUE(watches_[1]->fail("bad config", 2).said); });
  watches_[0]->fail("bad config", 2);
  other.join();
  const auto begin = std::chrono::steady_clock::now();
  std::thread tells([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    watches_[0].reset();
  });
  watches_[1].reset();
  const auto left = std::chrono::steady_clock::now() - begin;
  tells.join();
  EXPECT_GT(left, std::chrono::milliseconds(500));
  EXPECT_LT(left, std::chrono::seconds(3));
}

TEST_F(Watches, ARankThatHangs) {
  start(3, 60, 0.5);
  for (int i = 0; i < 3; ++i) watches_[static_cast<std::size_t>(i)]->begin_collective();
  for (const std::size_t rank : {0, 2}) {
    watches_[rank]->begin_collective();
    watches_[rank]->set_waiting(true);
  }
  expect_all_stop(99, 10);
  EXPECT_NE(said().find("rank 1 (host1) hangs"), std::string::npos) << said();
}

TEST_F(Watches, LongWorkIsNotHanging) {
  start(2, 60, 0.3);
  watches_[1]->set_busy("saving a checkpoint");
  watches_[0]->begin_collective();
  watches_[0]->set_waiting(true);
  std::this_thread::sleep_for(std::chrono::milliseconds(900));
  EXPECT_FALSE(watches_[0]->stopped());
  watches_[1]->set_busy(nullptr);
  expect_all_stop(99, 10);
  EXPECT_NE(said().find("rank 1 (host1) hangs"), std::string::npos) << said();
}

TEST_F(Watches, AnErrorOfALibrary) {
  start(2);
  watches_[1]->set_health([] { return std::string("NCCL reports: remote error"); });
  expect_all_stop(99, 5);
  EXPECT_NE(said().find("rank 1 (host1) failed: NCCL reports"), std::string::npos) << said();
}

TEST(Wire, StrangersAreNotLetIn) {
  int pair[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Wire left{Socket(pair[0])};
  const Socket right{pair[1]};
  std::vector<Frame> frames;
  EXPECT_TRUE(left.receive(frames));
  const std::string junk = "GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n";
  ASSERT_EQ(::send(right.descriptor(), junk.data(), junk.size(), 0),
            static_cast<ssize_t>(junk.size()));
  EXPECT_FALSE(left.receive(frames));
  EXPECT_TRUE(frames.empty());
}

TEST(Wire, FramesInPieces) {
  int pair[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Wire left{Socket(pair[0])};
  Wire right{Socket(pair[1])};
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        left.send({FrameKind::failed, i, std::string(static_cast<std::size_t>(i * 70), 'x')}));
  }
  std::vector<Frame> frames;
  while (frames.size() < 100) {
    ASSERT_TRUE(right.receive(frames));
    ASSERT_TRUE(left.flush());
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(frames[static_cast<std::size_t>(i)].number, i);
    EXPECT_EQ(frames[static_cast<std::size_t>(i)].text.size(),
              std::min<std::size_t>(static_cast<std::size_t>(i) * 70, kMostFrameText));
  }
}

TEST(Wire, AddressesAndConnections) {
  EXPECT_EQ(own_addresses("lo"), std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(own_addresses("none,lo"), std::vector<std::string>{"127.0.0.1"});
  EXPECT_FALSE(own_addresses("").empty());
  Listener listener;
  EXPECT_TRUE(connect_to({"127.0.0.1"}, listener.port(), 2).open());
  EXPECT_FALSE(connect_to({"127.0.0.1"}, 1, 0.3).open());
}

}  // namespace
}  // namespace unfold::core
