// A world of ranks that are threads of one process: the trainer's collectives without MPI.
#pragma once

#include <algorithm>
#include <barrier>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/rank_sum.h"

namespace unfold::test {

// What the ranks share: a place for each to show the others something, and a barrier.
struct ThreadBoard {
  explicit ThreadBoard(int ranks)
      : size(ranks), places(static_cast<std::size_t>(ranks)), all(ranks) {}
  int size;
  std::vector<void*> places;
  std::barrier<> all;
  std::mutex mutex;  // of the mail between two ranks
  std::condition_variable changed;
  std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> mail;
};

class ThreadRank : public core::Communicator {
 public:
  ThreadRank(ThreadBoard& board, int rank) : board_(board), rank_(rank) {}

  // The next sum of gradients has a NaN from this rank.
  void poison() { poisoned_ = true; }

  // As where GPUs have fast links.
  void like_bursts() { bursts_ = true; }
  // Sums of tensors that were started, and what was said of work beside each.
  std::size_t sums() const { return beside_.size(); }
  const std::vector<bool>& beside() const { return beside_; }
  void expect_work_beside(bool work) override { work_beside_ = work; }

  bool likes_bursts() const override { return bursts_; }
  int rank() const override { return rank_; }
  int world_size() const override { return board_.size; }
  bool distributed() const override { return true; }
  std::string describe() const override { return "threads"; }
  void all_reduce_sum(std::span<double> values) override {
    exchange(
        values.data(),
        [&](const std::vector<void*>& all) {
          std::vector<double> sums(values.size());
          for (std::size_t i = 0; i < sums.size(); ++i) {
            sums[i] = static_cast<double*>(all[0])[i];
            for (std::size_t r = 1; r < all.size(); ++r) sums[i] += static_cast<double*>(all[r])[i];
          }
          return sums;
        },
        [&](const std::vector<double>& sums) {
          std::copy(sums.begin(), sums.end(), values.begin());
        });
  }
  void all_reduce_sum(std::span<std::int64_t> values) override {
    exchange(
        values.data(),
        [&](const std::vector<void*>& all) {
          std::vector<std::int64_t> sums(values.size());
          for (void* one : all) {
            for (std::size_t i = 0; i < sums.size(); ++i)
              sums[i] += static_cast<std::int64_t*>(one)[i];
          }
          return sums;
        },
        [&](const auto& sums) { std::copy(sums.begin(), sums.end(), values.begin()); });
  }
  void all_reduce_max(std::span<double> values) override {
    exchange(
        values.data(),
        [&](const std::vector<void*>& all) {
          std::vector<double> most(values.begin(), values.end());
          for (void* one : all) {
            for (std::size_t i = 0; i < most.size(); ++i) {
              most[i] = std::max(most[i], static_cast<double*>(one)[i]);
            }
          }
          return most;
        },
        [&](const auto& most) { std::copy(most.begin(), most.end(), values.begin()); });
  }
  void broadcast(std::span<std::byte> bytes, int root) override {
    exchange(
        bytes.data(),
        [&](const std::vector<void*>& all) {
          const auto* from = static_cast<std::byte*>(all[static_cast<std::size_t>(root)]);
          return std::vector<std::byte>(from, from + bytes.size());
        },
        [&](const auto& from) { std::copy(from.begin(), from.end(), bytes.begin()); });
  }
  std::string broadcast(std::string_view text, int root) override {
    std::string own(text);
    std::string result;
    exchange(
        &own,
        [&](const std::vector<void*>& all) {
          return *static_cast<std::string*>(all[static_cast<std::size_t>(root)]);
        },
        [&](const std::string& from) { result = from; });
    return result;
  }
  std::vector<std::string> gather(std::string_view bytes) override {
    std::string own(bytes);
    std::vector<std::string> result;
    exchange(
        &own,
        [&](const std::vector<void*>& all) {
          std::vector<std::string> texts;
          for (void* one : all) texts.push_back(*static_cast<std::string*>(one));
          return texts;
        },
        [&](std::vector<std::string> texts) {
          if (is_root()) result = std::move(texts);
        });
    return result;
  }
  void barrier() override { board_.all.arrive_and_wait(); }

  Ticket start_all_reduce_sum(const std::vector<core::Tensor>& tensors) override {
    spoil(tensors);
    beside_.push_back(work_beside_);
    for (const core::Tensor& tensor : tensors) reduce(tensor, {0, tensor.size()}, tensor);
    return ++last_ticket_;
  }
  Ticket start_reduce_scatter_sum(const std::vector<core::Tensor>& all,
                                  const std::vector<core::Tensor>& mine) override {
    spoil(all);
    beside_.push_back(work_beside_);
    for (std::size_t i = 0; i < all.size(); ++i) {
      reduce(all[i], core::share_of(all[i].size(), rank_, board_.size), mine[i]);
    }
    return ++last_ticket_;
  }
  // What comes from other ranks arrives when it is waited for, and is not a number until then.
  Ticket start_all_gather(const std::vector<core::Tensor>& tensors) override {
    ++last_ticket_;
    for (const core::Tensor& tensor : tensors) {
      exchange(
          tensor.raw(),
          [&](const std::vector<void*>& all) {
            std::vector<std::byte> whole(tensor.bytes());
            for (int r = 0; r < board_.size; ++r) {
              const auto [at, bytes] = place_of_share(tensor, r);
              std::memcpy(whole.data() + at,
                          static_cast<std::byte*>(all[static_cast<std::size_t>(r)]) + at, bytes);
            }
            return whole;
          },
          [&](auto whole) {
            for (int r = 0; r < board_.size; ++r) {
              const auto [at, bytes] = place_of_share(tensor, r);
              if (r != rank_) std::memset(static_cast<std::byte*>(tensor.raw()) + at, 0xff, bytes);
            }
            late_.push_back({last_ticket_, tensor, std::move(whole)});
          });
    }
    return last_ticket_;
  }
  void wait(Ticket ticket) override {
    while (!late_.empty() && late_.front().ticket <= ticket) {
      const Late& late = late_.front();
      std::memcpy(late.tensor.raw(), late.whole.data(), late.whole.size());
      late_.pop_front();
    }
  }
  std::unique_ptr<core::Channel> open_channel() override;

 private:
  // Shows `own`, works out something from what all show, and applies it when all have done so.
  template <typename Work, typename Apply>
  void exchange(void* own, Work work, Apply apply) {
    board_.places[static_cast<std::size_t>(rank_)] = own;
    barrier();
    auto result = work(board_.places);
    barrier();
    apply(std::move(result));
    barrier();
  }
  void reduce(const core::Tensor& all, core::Share share, const core::Tensor& to) {
    const std::size_t width = core::size_of(all.dtype());
    exchange(
        all.raw(),
        [&](const std::vector<void*>& pointers) {
          std::vector<std::byte> sums(static_cast<std::size_t>(share.size()) * width);
          std::vector<const std::byte*> parts;
          for (void* one : pointers) {
            parts.push_back(static_cast<std::byte*>(one) +
                            static_cast<std::size_t>(share.begin) * width);
          }
          core::sum_in_order(all.dtype(), parts, share.size(), sums.data());
          return sums;
        },
        [&](const auto& sums) {
          if (!sums.empty()) std::memcpy(to.raw(), sums.data(), sums.size());
        });
  }
  void spoil(const std::vector<core::Tensor>& tensors) {
    if (!poisoned_) return;
    poisoned_ = false;
    tensors.front().data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  }

  // First byte and bytes.
  std::pair<std::size_t, std::size_t> place_of_share(const core::Tensor& tensor, int rank) const {
    const core::Share share = core::share_of(tensor.size(), rank, board_.size);
    const std::size_t width = core::size_of(tensor.dtype());
    return {static_cast<std::size_t>(share.begin) * width,
            static_cast<std::size_t>(share.size()) * width};
  }

  struct Late {
    Ticket ticket = 0;
    core::Tensor tensor;
    std::vector<std::byte> whole;
  };

  ThreadBoard& board_;
  int rank_;
  bool poisoned_ = false;
  bool bursts_ = false;
  bool work_beside_ = false;
  std::vector<bool> beside_;
  Ticket last_ticket_ = 0;
  std::deque<Late> late_;
};

class ThreadChannel : public core::Channel {
 public:
  ThreadChannel(ThreadBoard& board, int rank) : board_(board), rank_(rank) {}
  void send(int to, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(board_.mutex);
    board_.mail[{rank_, to}].emplace_back(bytes.begin(), bytes.end());
    board_.changed.notify_all();
  }
  void receive(int from, std::span<std::byte> bytes) override {
    std::unique_lock lock(board_.mutex);
    auto& letters = board_.mail[{from, rank_}];
    board_.changed.wait(lock, [&] { return !letters.empty(); });
    core::check(letters.front().size() == bytes.size(), "test", "{} bytes sent, {} wanted",
                letters.front().size(), bytes.size());
    std::copy(letters.front().begin(), letters.front().end(), bytes.begin());
    letters.pop_front();
  }

 private:
  ThreadBoard& board_;
  int rank_;
};

inline std::unique_ptr<core::Channel> ThreadRank::open_channel() {
  return std::make_unique<ThreadChannel>(board_, rank_);
}

// Runs `body` on as many threads as ranks; what each threw, by rank.
inline std::vector<std::exception_ptr> run_ranks(
    int ranks, const std::function<void(ThreadRank& world)>& body) {
  ThreadBoard board(ranks);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadRank world(board, rank);
      try {
        body(world);
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace unfold::test
