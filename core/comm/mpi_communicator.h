// Ranks over MPI. Tensors are exchanged by a thread; those of a GPU through page-locked host
// memory, so that several ranks may share a GPU.
//
// Sums: every rank gets its part of all other ranks' values, adds them in the order of ranks, and
// spreads the sums. What is exchanged at a time is bounded, so memory is, too.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/launch.h"
#include "core/comm/monitor.h"
#include "core/comm/work_queue.h"

namespace unfold::core {

namespace mpi {
class TensorExchange;
}

class MpiCommunicator : public Communicator {
 public:
  // Starts MPI and the watch over ranks. Throws core::UserError: another MPI than the launcher's,
  // no connection between the hosts.
  explicit MpiCommunicator(const Launch& launch);
  ~MpiCommunicator() override;

  int rank() const override { return rank_; }
  int world_size() const override { return world_size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }
  bool distributed() const override { return true; }
  std::string describe() const override;

  void all_reduce_sum(std::span<double> values) override;
  void all_reduce_sum(std::span<std::int64_t> values) override;
  void all_reduce_max(std::span<double> values) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  std::string broadcast(std::string_view text, int root) override;
  std::vector<std::string> gather(std::string_view bytes) override;
  void barrier() override;

  Ticket start_all_reduce_sum(const std::vector<Tensor>& tensors) override;
  Ticket start_reduce_scatter_sum(const std::vector<Tensor>& all,
                                  const std::vector<Tensor>& mine) override;
  Ticket start_all_gather(const std::vector<Tensor>& tensors) override;
  void wait(Ticket ticket) override;
  OverlapTimes take_times() override;
  std::unique_ptr<Channel> open_channel() override;

  void note_progress() override;
  void set_busy(const char* what) override;
  void set_waiting(bool waiting) override;
  void check() override;
  void fail(std::string_view why, int exit_code) override;
  void finish() override;

 protected:
  // A collective begins: counted by the watch.
  void begin_collective();
  // Polled by the watch.
  void watch_health(std::function<std::string()> health);
  int hosts() const { return hosts_; }
  // finish() was called.
  bool finished() const { return finished_; }

 private:
  struct Mpi;
  // Gives the thread work, whose mark stands behind what the tensors' device has been given so far.
  using Work = std::function<void(mpi::TensorExchange& exchange, void* mark)>;
  Ticket start(const std::vector<Tensor>& tensors, Work work);

  int rank_ = 0;
  int world_size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  int hosts_ = 1;
  bool finished_ = false;
  double exposed_ = 0;  // seconds that wait() waited
  std::unique_ptr<Mpi> mpi_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<WorkQueue> queue_;  // last: its thread uses all of the above
};

}  // namespace unfold::core
