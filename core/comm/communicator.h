// Communicator: the processes ("ranks") of one run and what they need of each other.
//
// All ranks call the same collectives in the same order. Implementations:
//   single process          core/comm/single.cpp
//   MPI                     core/comm/mpi_communicator.h; tensors of a GPU go through host memory
//   NCCL, started over MPI  core/comm/nccl_communicator.h; tensors of GPUs stay there
// Which one a process gets is decided by make_world() (core/comm/world.h).
//
// Sums are taken in the order of ranks, each in the accumulator dtype and rounded once, so that
// they depend on nothing but the values; those of NCCL's kernels in NCCL's order.
//
// A rank that dies, hangs or throws ends all ranks (core/comm/monitor.h): a collective that waits
// for it throws RankLost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/comm/share.h"
#include "core/tensor.h"

namespace unfold::core {

// Another rank ended, or said that all have to: this process can only end, with this exit code.
class RankLost : public Error {
 public:
  RankLost(std::string_view message, int exit_code) : Error("ranks", message), code_(exit_code) {}
  int exit_code() const { return code_; }

 private:
  int code_;
};

// Bytes between ranks apart from the collectives: for a thread of its own.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual void send(int to, std::span<const std::byte> bytes) = 0;
  virtual void receive(int from, std::span<std::byte> bytes) = 0;
};

// How long tensor collectives took, and how much of that the work of the device had to wait for.
struct OverlapTimes {
  double seconds = 0;  // in collectives, waiting for other ranks included
  double exposed = 0;  // of them: nothing else was done
  double hidden_share() const { return seconds > 0 ? std::max(0.0, 1 - exposed / seconds) : 0; }
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 .. world_size() - 1
  virtual int world_size() const = 0;
  bool is_root() const { return rank() == 0; }
  virtual int local_rank() const { return 0; }  // among the ranks of this host
  virtual int local_size() const { return 1; }
  // False for a process that was started by itself: there is nobody to talk to.
  virtual bool distributed() const { return false; }
  // "2 ranks on 1 host: NCCL 2.28.3 for tensors, Open MPI 4.1.4 for the rest".
  virtual std::string describe() const = 0;

  // Host values. Every rank ends with the sum over all, or the largest.
  virtual void all_reduce_sum(std::span<double> values) = 0;
  virtual void all_reduce_sum(std::span<std::int64_t> values) = 0;
  virtual void all_reduce_max(std::span<double> values) = 0;
  // Every rank ends with root's bytes, as many as it gave.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  // The same for a text of any length.
  virtual std::string broadcast(std::string_view text, int root) = 0;
  // What every rank gave, of any length, in the order of ranks: at rank 0; elsewhere nothing.
  virtual std::vector<std::string> gather(std::string_view bytes) = 0;
  virtual void barrier() = 0;

  // Tensor collectives of contiguous tensors, all on one device: started behind the work given to
  // the device so far, they run beside what comes after. The tensors have to live, and are not to
  // be touched, until wait() returned. Started ones run in the order they were started.
  using Ticket = std::int64_t;
  // Every rank ends with the sums.
  virtual Ticket start_all_reduce_sum(const std::vector<Tensor>& tensors) = 0;
  // mine[i] becomes the sum of this rank's share (share_of) of all[i], whose content is lost.
  virtual Ticket start_reduce_scatter_sum(const std::vector<Tensor>& all,
                                          const std::vector<Tensor>& mine) = 0;
  // Every rank gives its share (share_of) of each tensor, and ends with the whole.
  virtual Ticket start_all_gather(const std::vector<Tensor>& tensors) = 0;
  // Whether the device has other work while what is started from now on runs: then collectives
  // leave it its multiprocessors, where they can, and take longer. All ranks say the same.
  virtual void expect_work_beside(bool /*work*/) {}
  // Whether sums that run beside other work are better started all in one go than spread over it
  // (train/burst.h). All ranks say the same.
  virtual bool likes_bursts() const { return false; }
  // What the device does from now on sees the results of this ticket and of those before it. The
  // host need not wait for a GPU.
  virtual void wait(Ticket ticket) = 0;
  void all_reduce_sum(const Tensor& tensor) { wait(start_all_reduce_sum({tensor})); }

  // Turns the measuring of tensor collectives on; what was measured since the last call.
  virtual OverlapTimes take_times() { return {}; }

  // A way between ranks for another thread. Collective.
  virtual std::unique_ptr<Channel> open_channel() = 0;

  // For the watch over ranks. note_progress: this rank moves on. set_busy: it is about to be busy
  // for long (what: for people), nullptr: it is no longer.
  virtual void note_progress() {}
  virtual void set_busy(const char* /*what*/) {}
  // set_waiting: it waits for others, or for work that waits for others.
  virtual void set_waiting(bool /*waiting*/) {}
  // Throws RankLost when the run is over for all.
  virtual void check() {}
  // Tells all ranks that this one cannot go on, and why; takes a few seconds at the most. Returns
  // where this rank is the one to tell people; throws RankLost where another has told them.
  virtual void fail(std::string_view /*why*/, int /*exit_code*/) {}
  // The end of a run that ended well, on every rank. Nothing may be called afterwards.
  virtual void finish() {}
};

// While it lives, this rank is busy with something that takes long, and others have patience.
class LongWork {
 public:
  LongWork(Communicator& world, const char* what) : world_(world) { world_.set_busy(what); }
  ~LongWork() { world_.set_busy(nullptr); }
  LongWork(const LongWork&) = delete;
  LongWork& operator=(const LongWork&) = delete;

 private:
  Communicator& world_;
};

// While it lives, this rank waits for a device that may wait for other ranks.
class Waiting {
 public:
  explicit Waiting(Communicator& world) : world_(world) { world_.set_waiting(true); }
  ~Waiting() { world_.set_waiting(false); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  Communicator& world_;
};

// A world of one process: every collective leaves its values as they are.
std::unique_ptr<Communicator> make_single_process();

// One rank of a world whose others are not there, for plans on meta: collectives do nothing.
std::unique_ptr<Communicator> make_absent_world(int rank, int world_size);

}  // namespace unfold::core
