#include "core/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "core/cuda/status.h"

namespace unfold::core::cuda {

// Never freed: the ring lives as long as its device's context, until the process ends.
void Staging::make() {
  for (Piece& piece : pieces_) {
    if (piece.memory != nullptr) continue;
    if (piece.copied == nullptr) {
      check_status(cudaEventCreateWithFlags(&piece.copied, cudaEventDisableTiming),
                   "making an event");
    }
    check_status(cudaMallocHost(&piece.memory, kPieceBytes), "allocating page-locked memory");
  }
}

void Staging::copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  if (pieces_.back().memory == nullptr) make();
  for (std::size_t done = 0; done < bytes;) {
    Piece& piece = pieces_[next_];
    next_ = (next_ + 1) % kPieces;
    const std::size_t count = std::min(kPieceBytes, bytes - done);
    check_status(cudaEventSynchronize(piece.copied), "copying to the GPU");
    std::memcpy(piece.memory, static_cast<const char*>(from) + done, count);
    check_status(cudaMemcpyAsync(static_cast<char*>(to) + done, piece.memory, count,
                                 cudaMemcpyHostToDevice, stream),
                 "copying to the GPU");
    check_status(cudaEventRecord(piece.copied, stream), "copying to the GPU");
    done += count;
  }
}

}  // namespace unfold::core::cuda
