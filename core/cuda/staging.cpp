#include "core/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "core/cuda/status.h"

namespace unfold::core::cuda {
namespace {

constexpr std::size_t kAlignment = 256;  // of the copies in a piece; divides its size

}  // namespace

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
    if (pieces_[current_].used >= kPieceBytes) {
      current_ = (current_ + 1) % kPieces;
      check_status(cudaEventSynchronize(pieces_[current_].copied), "copying to the GPU");
      pieces_[current_].used = 0;
    }
    Piece& piece = pieces_[current_];
    const std::size_t count = std::min(kPieceBytes - piece.used, bytes - done);
    char* const staged = static_cast<char*>(piece.memory) + piece.used;
    piece.used += (count + kAlignment - 1) / kAlignment * kAlignment;
    std::memcpy(staged, static_cast<const char*>(from) + done, count);
    check_status(cudaMemcpyAsync(static_cast<char*>(to) + done, staged, count,
                                 cudaMemcpyHostToDevice, stream),
                 "copying to the GPU");
    check_status(cudaEventRecord(piece.copied, stream), "copying to the GPU");
    done += count;
  }
}

std::shared_ptr<void> PageLocked::take(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (memory_.use_count() == 1 && bytes_ >= bytes) return memory_;
  const std::size_t wanted = bytes + bytes / 4;  // what grows a little finds room
  memory_.reset();
  void* memory = nullptr;
  if (cudaMallocHost(&memory, wanted) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  memory_ = std::shared_ptr<void>(memory, [](void* taken) { cudaFreeHost(taken); });
  bytes_ = wanted;
  return memory_;
}

}  // namespace unfold::core::cuda
