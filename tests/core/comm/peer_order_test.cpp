// Ranks that exchange pieces as core/comm/peer_exchange.cpp does, in memory of this process, each
// stream going on at random: every sum is right, and nobody gets stuck.
#include "core/comm/peer_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace unfold::core {
namespace {

using Values = std::vector<std::int64_t>;

class Machine {
 public:
  // streams: of each rank: 3, or 1: the GPU runs its steps in the order in which they were given.
  Machine(int ranks, int streams, std::uint64_t last, unsigned seed)
      : ranks_(ranks),
        streams_(streams),
        words_{ranks},
        random_(seed),
        flags_(words_.count(), static_cast<std::uint32_t>(last)),
        queues_(static_cast<std::size_t>(ranks * 3)),
        slots_(static_cast<std::size_t>(ranks) * kPeerSets * static_cast<std::size_t>(ranks)) {
    for (int rank = 0; rank < ranks; ++rank) orders_.emplace_back(rank, ranks, last);
  }

  // One more piece on all ranks: a value for each share of each rank's tensor.
  void give(bool spreads) {
    const std::size_t first = tensors_.size();
    for (int rank = 0; rank < ranks_; ++rank) {
      Values values;
      for (int share = 0; share < ranks_; ++share) values.push_back(random_() % 1000);
      tensors_.push_back(values);
    }
    for (int rank = 0; rank < ranks_; ++rank) {
      Values sums = tensors_[first];
      for (int share = 0; share < ranks_; ++share) {
        for (int from = 1; from < ranks_; ++from) sums[share] += tensors_[first + from][share];
      }
      if (spreads) {
        expected_.push_back(sums);
      } else {
        expected_.push_back(tensors_[first + rank]);
        expected_.back()[rank] = sums[rank];
      }
    }
    for (int rank = 0; rank < ranks_; ++rank) {
      give_rank(rank, orders_[rank].next(spreads), first);
    }
  }

  // False: stuck.
  bool run() {
    for (;;) {
      std::vector<std::size_t> order;
      for (std::size_t queue = 0; queue < queues_.size(); ++queue) {
        if (!queues_[queue].empty()) order.push_back(queue);
      }
      if (order.empty()) return true;
      std::shuffle(order.begin(), order.end(), random_);
      bool moved = false;
      for (const std::size_t queue : order) {
        if (!queues_[queue].front()()) continue;
        queues_[queue].pop_front();
        moved = true;
        break;
      }
      if (!moved) return false;
    }
  }
  const std::vector<Values>& tensors() const { return tensors_; }
  const std::vector<Values>& expected() const { return expected_; }
  int torn() const { return torn_; }

 private:
  using Step = std::function<bool()>;  // false: not yet

  std::deque<Step>& queue(int rank, int stream) {
    return queues_[static_cast<std::size_t>(rank * 3 + (streams_ == 1 ? 0 : stream))];
  }
  std::int64_t* slot(int owner, std::size_t set, int from) {
    return &slots_[(static_cast<std::size_t>(owner) * kPeerSets + set) *
                       static_cast<std::size_t>(ranks_) +
                   static_cast<std::size_t>(from)];
  }
  std::int64_t* value(std::size_t tensor, int share) { return &tensors_[tensor][share]; }
  void wait(std::deque<Step>& queue, PeerFlag flag) {
    queue.push_back([this, flag] { return flag.reached_by(flags_[flag.word]); });
  }
  void write(std::deque<Step>& queue, PeerFlag flag) {
    queue.push_back([this, flag] {
      flags_[flag.word] = flag.value;
      return true;
    });
  }
  // Reads at one time and writes at another. What was read must not have changed meanwhile, and
  // nobody else may have anything to do with where it is written.
  void copy(std::deque<Step>& queue, std::function<std::int64_t()> read,
            std::vector<std::function<std::int64_t*()>> to) {
    auto held = std::make_shared<std::int64_t>(0);
    queue.push_back([this, held, read, to] {
      *held = read();
      for (const auto& place : to) torn_ += writing_.insert(place()).second ? 0 : 1;
      return true;
    });
    queue.push_back([this, held, read, to] {
      torn_ += read() == *held ? 0 : 1;
      for (const auto& place : to) {
        *place() = *held;
        writing_.erase(place());
      }
      return true;
    });
  }

  void give_rank(int rank, const PeerPiece& turn, std::size_t first) {
    const std::size_t own = first + static_cast<std::size_t>(rank);
    const std::size_t set = turn.set();
    std::deque<Step>& push = queue(rank, 0);
    for (int step = 1; step < ranks_; ++step) {
      const int peer = (rank + step) % ranks_;
      for (const PeerFlag& flag : turn.before_push(peer)) wait(push, flag);
      copy(push, [=, this] { return *value(own, peer); },
           {[=, this] { return slot(peer, set, rank); }});
      write(push, turn.after_push(peer));
    }
    std::deque<Step>& sum = queue(rank, 1);
    for (const PeerFlag& flag : turn.before_sum()) wait(sum, flag);
    std::vector<std::function<std::int64_t*()>> to = {[=, this] { return value(own, rank); }};
    if (turn.spreads) to.emplace_back([=, this] { return slot(rank, set, rank); });
    copy(
        sum,
        [=, this] {
          std::int64_t total = 0;
          for (int from = 0; from < ranks_; ++from) {
            total += from == rank ? *value(own, rank) : *slot(rank, set, from);
          }
          return total;
        },
        to);
    write(sum, turn.after_sum());
    if (!turn.spreads) return;
    std::deque<Step>& pull = queue(rank, 2);
    for (int step = 1; step < ranks_; ++step) {
      const int peer = (rank + step) % ranks_;
      wait(pull, turn.before_pull(peer));
      copy(pull, [=, this] { return *slot(peer, set, peer); },
           {[=, this] { return value(own, peer); }});
      write(pull, turn.after_pull(peer));
    }
  }

  int ranks_, streams_;
  PeerWords words_;
  std::mt19937 random_;
  std::vector<std::uint32_t> flags_;
  std::vector<std::deque<Step>> queues_;
  std::vector<PeerOrder> orders_;
  std::vector<std::int64_t> slots_;
  std::vector<Values> tensors_, expected_;
  std::set<std::int64_t*> writing_;
  int torn_ = 0;
};

TEST(PeerOrder, GivesEverySumAndNeverGetsStuck) {
  const std::uint64_t around = std::uint64_t{1} << 32;
  for (const int ranks : {2, 3, 5, 8}) {
    for (const int streams : {1, 3}) {
      for (const std::uint64_t last : {std::uint64_t{0}, around - 7, (around >> 1) - 7}) {
        for (unsigned seed = 0; seed < 6; ++seed) {
          Machine machine(ranks, streams, last, seed);
          std::mt19937 random(seed);
          for (int piece = 0; piece < 20; ++piece) {
            // All alike, or all-reduces and reduce-scatters in turn.
            machine.give(seed == 0 || (seed > 1 && random() % 2 == 0));
          }
          ASSERT_TRUE(machine.run()) << ranks << " ranks, " << streams << " streams";
          EXPECT_EQ(machine.tensors(), machine.expected()) << ranks << " ranks, seed " << seed;
          EXPECT_EQ(machine.torn(), 0) << ranks << " ranks, seed " << seed;
        }
      }
    }
  }
}

TEST(PeerOrder, EveryFlagHasAWordOfItsOwn) {
  for (const int ranks : {2, 3, 8}) {
    const PeerWords words{ranks};
    std::set<std::size_t> seen;
    for (int rank = 0; rank < ranks; ++rank) {
      seen.insert(words.summed(rank));
      for (int other = 0; other < ranks; ++other) {
        seen.insert(words.sent(rank, other));
        seen.insert(words.pulled(rank, other));
      }
    }
    EXPECT_EQ(seen.size(), words.count());
    EXPECT_EQ(*seen.rbegin() + 1, words.count());
  }
}

TEST(PeerOrder, WaitsForTheLastUseOfASet) {
  PeerOrder order(0, 2);
  const PeerWords words = order.words();
  EXPECT_TRUE(order.next(true).before_push(1).empty()) << "nothing was there before";
  order.next(false);
  order.next(false);
  const PeerPiece fourth = order.next(false);
  EXPECT_EQ(fourth.set(), 1u);
  EXPECT_EQ(fourth.before_push(1), (std::vector<PeerFlag>{{words.summed(1), 1}}));
  EXPECT_EQ(fourth.before_sum(), (std::vector<PeerFlag>{{words.sent(1, 0), 4}}))
      << "its sum does not go to the outbox";
  order.next(true);
  order.next(true);
  EXPECT_EQ(order.next(true).before_sum(),
            (std::vector<PeerFlag>{{words.sent(1, 0), 7}, {words.pulled(1, 0), 1}}));
  EXPECT_EQ(order.next(true).before_sum(),
            (std::vector<PeerFlag>{{words.sent(1, 0), 8}, {words.pulled(1, 0), 5}}));
}

TEST(PeerOrder, ComparesAroundTheClock) {
  const std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
  EXPECT_TRUE((PeerFlag{0, 5}.reached_by(5)));
  EXPECT_TRUE((PeerFlag{0, 5}.reached_by(6)));
  EXPECT_FALSE((PeerFlag{0, 5}.reached_by(4)));
  EXPECT_TRUE((PeerFlag{0, most}.reached_by(2)));
  EXPECT_FALSE((PeerFlag{0, 2}.reached_by(most)));
}

}  // namespace
}  // namespace unfold::core
