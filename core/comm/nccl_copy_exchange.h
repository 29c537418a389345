// Sums and gathers between the GPUs of one host by their copy engines.
//
// NCCL's own kernels hold multiprocessors for as long as a sum takes, and a product whose blocks fill
// the device exactly then takes two rounds instead of one. Here gradients go through buffers that
// all ranks see: every rank sends each other rank its share, adds up what it got, and spreads the
// sum. Copy engines move all of it (NCCL 2.28, NCCL_CTA_POLICY_ZERO and symmetric windows); kernels
// only add. Slower by itself than NCCL's sums, so it is for sums beside other work.
#pragma once

#include <nccl.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/share_pieces.h"

namespace unfold::core {

class CopyExchange {
 public:
  // Collective. comm: of ranks on one host, made with configure(). Null on all ranks where the
  // library or the machine can't, or with UNFOLD_COPY_ENGINES=0.
  static std::unique_ptr<CopyExchange> make(ncclComm_t comm, Communicator& world);
  // Asks NCCL for copy engines, where it knows them.
  static void configure(ncclConfig_t& config);
  ~CopyExchange();  // the communicator is still there
  CopyExchange(const CopyExchange&) = delete;
  CopyExchange& operator=(const CopyExchange&) = delete;

  // Communicator's collectives, on a stream (cudaStream_t).
  void all_reduce_sum(const std::vector<Tensor>& tensors, void* stream);
  void reduce_scatter_sum(const std::vector<Tensor>& all, const std::vector<Tensor>& mine,
                          void* stream);
  void all_gather(const std::vector<Tensor>& tensors, void* stream);
  // Whether tensors are many bytes (any with UNFOLD_COPY_ENGINES=always), and of one dtype.
  static bool worth_it(const std::vector<Tensor>& tensors);

 private:
  struct Buffer {
    void* memory = nullptr;
    void* window = nullptr;
  };
  CopyExchange(ncclComm_t comm, int rank, int world_size)
      : comm_(comm), rank_(rank), world_size_(world_size) {}
  bool open();
  std::vector<SharePiece> pieces_of(const std::vector<Tensor>& tensors) const;
  char* slot(const Buffer& buffer, int rank, std::size_t bytes) const;
  // Adds up this rank's share of a piece, in its slot of out_.
  void reduce(const std::vector<Tensor>& tensors, const SharePiece& piece, std::int64_t slot,
              void* stream);
  // Spreads every rank's slot of out_, and takes the others' to the tensors.
  void spread(const std::vector<Tensor>& tensors, const SharePiece& piece, std::int64_t slot,
              void* stream);

  ncclComm_t comm_;
  int rank_, world_size_;
  Buffer out_, in_;  // slots of what goes out, and of what came in
};

}  // namespace unfold::core
