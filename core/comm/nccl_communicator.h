// Ranks with a GPU each: NCCL for tensors on them, started over MPI, which does the rest.
//
// Tensor collectives run on a stream of their own (core/cuda/side_stream.h); neither starting one
// nor waiting for it stops the host. Beside other work of the device it is the copy engines that
// exchange, where they can (core/comm/peer_exchange.h). Where ranks share a GPU, which NCCL
// refuses, all of them exchange tensors through host memory (MpiCommunicator).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/comm/mpi_communicator.h"
#include "core/cuda/side_stream.h"

namespace unfold::core {

class NcclCommunicator : public MpiCommunicator {
 public:
  // device: of this rank. must: throws core::UserError when ranks share a GPU.
  NcclCommunicator(const Launch& launch, Device device, bool must);
  ~NcclCommunicator() override;

  std::string describe() const override;
  Ticket start_all_reduce_sum(const std::vector<Tensor>& tensors) override;
  Ticket start_reduce_scatter_sum(const std::vector<Tensor>& all,
                                  const std::vector<Tensor>& mine) override;
  Ticket start_all_gather(const std::vector<Tensor>& tensors) override;
  void expect_work_beside(bool work) override { work_beside_ = work; }
  bool likes_bursts() const override;
  void wait(Ticket ticket) override;
  OverlapTimes take_times() override;
  void finish() override;

 private:
  struct Nccl;
  // A collective on the stream: NCCL's tickets count down from -1, MPI's up from 1.
  struct Started {
    Ticket ticket = 0;
    std::shared_ptr<void> begin, end;
  };

  bool takes(const std::vector<Tensor>& tensors) const;
  bool by_copies(const std::vector<Tensor>& tensors) const;
  template <typename Launch>
  Ticket start(Launch&& launch);
  template <typename Launch>
  Ticket start_group(Launch&& launch);

  Device device_;
  std::unique_ptr<Nccl> nccl_;  // null: ranks share a GPU
  std::unique_ptr<cuda::SideStream> stream_;
  bool work_beside_ = false;
  Ticket last_ = 0;
  std::deque<Started> started_;
  // Beginnings and ends of what take_times() adds up. A long run adds them up on the way.
  struct Stretch {
    std::shared_ptr<void> begin, end;
  };
  void add_times(bool all);

  bool timing_ = false;
  OverlapTimes times_;
  std::deque<Stretch> ran_;         // on the stream
  std::deque<Stretch> waited_;      // on the device's
  std::shared_ptr<void> last_end_;  // of those of ran_ that are added
};

}  // namespace unfold::core
