// Sums between the GPUs of one host, one process each, that leave the multiprocessors to others.
//
// NCCL's kernels hold multiprocessors for as long as a sum takes, most of it waiting for the link;
// a product whose blocks fill the device exactly then takes two rounds instead of one. Here every
// rank sees the buffers of all others (core/comm/peer_memory.h), copy engines move everything
// between GPUs, and the only kernels are short sums. Tensors are cut into pieces, in which every
// rank owns a share (core/comm/share_pieces.h). For each piece a rank
//
//   push   copies every other rank's share from its tensors into that rank's inbox;
//   sum    adds up its own share, in the order of ranks, from its tensors and its inbox, and writes
//          it to its tensors, and to its outbox for the others;
//   pull   copies every other rank's sum from that rank's outbox to its tensors.
//
// A reduce-scatter pulls nothing; a gather pushes nothing, and its sum is the share itself.
//
// Each step has a stream, and kPeerSets pieces may be under way. Ranks wait for each other by flags
// (core/comm/peer_flags.h); core/comm/peer_order.h says for which, and why that can't get stuck.
// Every byte of a tensor crosses the link once each way, and memory only where it has to: there are
// no copies within a GPU.
//
// A rank that dies leaves streams of others waiting for ever: the watch over ranks ends them
// (core/comm/monitor.h), and nothing here may wait on the way out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/peer_flags.h"
#include "core/comm/peer_memory.h"
#include "core/comm/peer_order.h"
#include "core/comm/share_pieces.h"
#include "core/cuda/side_stream.h"

namespace unfold::core {

class PeerExchange {
 public:
  // Collective. device: of this rank, nobody else's. Null on all ranks where one of them can't:
  // more than 8 ranks or one alone, several hosts, GPUs that do not reach each other's memory, no
  // shared memory; or where UNFOLD_COPY_ENGINES=0 forbids it. Takes 96 MiB of the device.
  static std::unique_ptr<PeerExchange> make(Communicator& world, int device);
  // Collective, before the end of a run that went well: waits for the work of all ranks, and lets
  // go of their memory. Nothing may be called afterwards.
  void close(Communicator& world);
  PeerExchange(const PeerExchange&) = delete;
  PeerExchange& operator=(const PeerExchange&) = delete;

  // Communicator's collectives, of tensors that worth_it() and are complete behind the mark
  // `ready`. Each returns the mark behind its end, and behind what the stream was given before.
  // stream: the one of all collectives; sums run on it. Throws as check_status() does
  // (core/cuda/status.h).
  std::shared_ptr<void> all_reduce_sum(const std::vector<Tensor>& tensors, void* ready,
                                       cuda::SideStream& stream);
  // mine: memory apart from `all`.
  std::shared_ptr<void> reduce_scatter_sum(const std::vector<Tensor>& all,
                                           const std::vector<Tensor>& mine, void* ready,
                                           cuda::SideStream& stream);
  std::shared_ptr<void> all_gather(const std::vector<Tensor>& tensors, void* ready,
                                   cuda::SideStream& stream);
  // What the stream is given from now on begins behind all of the above.
  void join(cuda::SideStream& stream);
  // Whether tensors are many bytes (any with UNFOLD_COPY_ENGINES=always), and of one dtype.
  bool worth_it(const std::vector<Tensor>& tensors) const;

 private:
  PeerExchange(int rank, int world_size, int device);
  // Parts of make(): false, on all ranks, where one can't.
  bool connect(Communicator& world);
  bool share_flags(Communicator& world);
  bool share_memory(Communicator& world);
  bool try_all(Communicator& world);

  std::vector<SharePiece> pieces_of(const std::vector<Tensor>& tensors) const;
  // Of a collective: gives is false for a gather; mine is null but for a reduce-scatter.
  struct Task {
    const std::vector<Tensor>& all;
    const std::vector<Tensor>* mine = nullptr;
    bool gives = true;
  };
  std::shared_ptr<void> exchange(const Task& task, void* ready, cuda::SideStream& stream);
  void push(const Task& task, const SharePiece& piece, const PeerPiece& turn);
  void sum(const Task& task, const SharePiece& piece, const PeerPiece& turn,
           cuda::SideStream& stream);
  void pull(const std::vector<Tensor>& all, const SharePiece& piece, const PeerPiece& turn);
  // The other ranks, beginning behind this one, so that not all turn to the same one.
  std::vector<int> peers() const;

  int rank_, world_size_;
  bool always_ = false;  // any tensors
  PeerOrder order_;
  PeerMemory memory_;
  std::unique_ptr<PeerFlags> flags_;
  cuda::SideStream push_, pull_;
  std::shared_ptr<void> done_;  // the end of the last piece
};

}  // namespace unfold::core
