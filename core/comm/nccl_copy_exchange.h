// Sums between the GPUs of one host by their copy engines. On request:
// UNFOLD_COPY_ENGINES=1.
//
// NCCL's own kernels hold multiprocessors for as long as a sum takes, and a product whose blocks
// fill the device exactly then takes two rounds instead of one. Here gradients go through buffers
// that all ranks see: every rank sends each other rank its share, adds up what it got, and spreads
// the sum. Copy engines move all of it (NCCL 2.28, NCCL_CTA_POLICY_ZERO and symmetric windows);
// kernels only add. Slower by itself than NCCL's sums, so it is for sums beside other work.
//
// Tensors go through the buffers in pieces, of which three are under way at a time: one is copied
// in, one exchanged, one copied out, each on a stream of its own.
#pragma once

#include <nccl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/share_pieces.h"
#include "core/cuda/side_stream.h"

namespace unfold::core {

class CopyExchange {
 public:
  // Collective. comm: of ranks on one host, made with configure(). Null on all ranks where the
  // library or the machine can't, or nobody asked for it.
  static std::unique_ptr<CopyExchange> make(ncclComm_t comm, Communicator& world, int device);
  // Asks NCCL for copy engines, where it knows them.
  static void configure(ncclConfig_t& config);
  ~CopyExchange();  // the communicator is still there
  CopyExchange(const CopyExchange&) = delete;
  CopyExchange& operator=(const CopyExchange&) = delete;

  // Communicator's collectives, of tensors that hold something and are complete behind the mark
  // `ready`. Each returns the mark behind its end. stream: the one of all collectives.
  std::shared_ptr<void> all_reduce_sum(const std::vector<Tensor>& tensors, void* ready,
                                       cuda::SideStream& stream);
  std::shared_ptr<void> reduce_scatter_sum(const std::vector<Tensor>& all,
                                           const std::vector<Tensor>& mine, void* ready,
                                           cuda::SideStream& stream);
  // What the stream is given from now on begins behind all of the above.
  void join(cuda::SideStream& stream);
  // Whether tensors are many bytes (any with UNFOLD_COPY_ENGINES=always), and of one dtype.
  static bool worth_it(const std::vector<Tensor>& tensors);

 private:
  struct Buffer {
    void* memory = nullptr;
    void* window = nullptr;
  };
  // Of a piece: slots of what goes out, and of what came in.
  struct Buffers {
    Buffer out, in;
    std::shared_ptr<void> copied_out;  // the mark behind which it may be used again
  };
  // A piece on its way. bytes: of a slot.
  struct Passage {
    Buffers& buffers;
    const SharePiece& piece;
    std::int64_t elements = 0;
    std::size_t bytes = 0;
  };
  CopyExchange(ncclComm_t comm, int rank, int world_size, int device);
  bool allocate();  // the buffers
  bool show();      // them to all ranks; collective
  std::array<Buffer*, 4> buffers() {
    return {&buffers_[0].out, &buffers_[0].in, &buffers_[1].out, &buffers_[1].in};
  }
  std::vector<SharePiece> pieces_of(const std::vector<Tensor>& tensors) const;
  // The next buffers for a piece of tensors of a dtype. Copies into them begin behind `ready`.
  Passage begin(const SharePiece& piece, DType dtype, void* ready);
  char* slot(const Buffer& buffer, int rank, const Passage& passage) const;
  // Copies a piece from tensors into slots; then the stream goes on.
  void copy_in(const std::vector<Tensor>& tensors, const Passage& passage,
               cuda::SideStream& stream);
  // Adds up this rank's share, in its slot.
  void reduce(DType dtype, const Passage& passage, cuda::SideStream& stream);
  // Spreads every rank's slot, and takes all of them to the tensors.
  void spread(const std::vector<Tensor>& tensors, const Passage& passage, cuda::SideStream& stream);
  void finish(const Passage& passage);

  ncclComm_t comm_;
  int rank_, world_size_;
  Buffers buffers_[2];
  std::size_t next_ = 0;
  std::shared_ptr<void> done_;      // the end of the last piece
  cuda::SideStream into_, out_of_;  // copies into buffers, and out of them
};

}  // namespace unfold::core
