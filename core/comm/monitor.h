// The watch over ranks: a thread in every rank, and a TCP connection from every rank to rank 0,
// apart from MPI and NCCL, whose calls may wait for ever.
//
// Every rank says once a second how it gets on. Rank 0 notices a connection that breaks (a rank
// died), silence (stopped, or its network is cut), a rank that stands still while others wait for
// it (core/comm/stall.h), and a rank that says it failed. It writes one line that names rank and
// cause, tells all others to stop, and stops. Rank 0 itself is watched by the others.
//
// Stopping: wait loops see stopped() and throw, so that the program can clean up. A process that
// has not ended by itself three seconds later is ended by its watch. A rank that leaves the telling
// to another one waits up to two seconds for rank 0 to end: launchers kill all when one ends.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/comm/stall.h"
#include "core/comm/wire.h"

namespace unfold::core {

// Exit code of a rank that ends because of another one: worth starting again.
inline constexpr int kRankLostCode = 75;

struct MonitorOptions {
  int rank = 0;
  int world_size = 1;
  std::string name;        // of this rank, for people: "node3, process 4711"
  double patience = 40;    // seconds a rank may stand still while others wait
  double silence = 20;     // seconds without a word
  double beat = 1;         // seconds between words
  double grace = 3;        // seconds from stopping to the end of the process
  std::string interfaces;  // own_addresses()
  // Polled by the watch: an error of a library that works by itself; empty: all is well.
  std::function<std::string()> health;
  // How the process is ended, and how a line is written; tests have their own.
  std::function<void(int code)> end_process;
  std::function<void(const std::string& line)> say;
};

class Monitor {
 public:
  // Rank 0 listens; the others need its invitation.
  explicit Monitor(MonitorOptions options);
  ~Monitor();  // without goodbye() or stop: as if the process had died
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Rank 0: what others connect with. One line.
  std::string invitation() const;
  // Connects everybody and starts the watch. invitation: rank 0's, unused by rank 0 itself. Throws
  // core::UserError when a connection cannot be made.
  void start(const std::string& invitation);

  // What this rank says of itself.
  void move() { moves_.fetch_add(1, std::memory_order_relaxed); }
  void begin_collective() { collectives_.fetch_add(1, std::memory_order_relaxed); }
  void set_waiting(bool waiting) { waiting_ += waiting ? 1 : -1; }
  void set_busy(const char* what);
  // Adds what the watch polls.
  void set_health(std::function<std::string()> health);

  // Whether the run is over for all, and why.
  struct End {
    std::string why;
    int code = 0;
    bool said = false;  // people have been told
  };
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  End end() const;
  // This rank cannot go on. Returns when all know, or after a few seconds; unless people were told,
  // it is for this rank to do.
  End fail(const std::string& why, int code);

  // The end of a run that ended well: every rank calls it, when nobody needs anybody any more.
  void goodbye();

 private:
  struct Peer {
    Wire wire;
    std::string name;
    bool gone = false;  // said goodbye
  };

  void accept_all();
  void connect(const std::string& invitation);
  void run();
  // Whether this rank, which has stopped, still waits for another one to tell people why.
  bool lingers(double now);
  void beat(double now);
  void listen(double now);
  void hear(int rank, const std::vector<Frame>& frames, double now);
  void lost(int rank);
  void judge(double now);
  // Ends the run: rank 0 tells the others. Who tells people: this watch, another rank, or this
  // rank, whose failure it is, later.
  enum class Told { here, elsewhere, not_yet };
  void stop(const std::string& why, int code, Told told);
  std::string name_of(int rank) const;
  double now() const;

  MonitorOptions options_;
  std::string token_;
  std::unique_ptr<Listener> listener_;
  std::vector<Peer> peers_;  // rank 0: by rank, its own unused; others: rank 0 alone
  std::unique_ptr<StallJudge> judge_;
  std::atomic<std::uint64_t> moves_{0};
  std::atomic<std::uint64_t> collectives_{0};
  std::atomic<int> waiting_{0};
  std::atomic<const char*> busy_{nullptr};
  std::atomic<bool> stopped_{false};
  std::atomic<bool> leaving_{false};  // with a goodbye
  std::atomic<bool> ending_{false};   // without
  mutable std::mutex mutex_;          // of everything below
  std::condition_variable changed_;
  std::optional<End> end_;
  std::optional<End> failure_;  // of this rank, not yet told
  std::function<std::string()> health_;
  double stopped_at_ = 0;
  bool told_elsewhere_ = false;  // the watch's own
  double alone_since_ = 0;       // the same
  std::thread thread_;           // last: it uses the members above
};

}  // namespace unfold::core
