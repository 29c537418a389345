// Host memory on its way to a GPU, and from it.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>

namespace unfold::core::cuda {

// A ring of page-locked pieces. Bytes are copied into a piece, and from there by the GPU when its
// stream comes to it: so the host neither waits for the work before the copy, nor has to keep its
// memory, and long copies overlap with filling the next piece. Short copies share a piece: the host
// waits only when about kPieces * kPieceBytes are on their way.
class Staging {
 public:
  Staging() = default;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Returns when `from` has been read; the copy itself is ordered on the stream. The stream's
  // device is the current one.
  void copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream);

 private:
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  static constexpr std::size_t kPieces = 8;
  struct Piece {
    void* memory = nullptr;
    cudaEvent_t copied = nullptr;  // recorded behind the last copy out of it
    std::size_t used = 0;          // bytes handed out since it was last begun
  };

  void make();

  std::mutex mutex_;
  std::array<Piece, kPieces> pieces_{};
  std::size_t current_ = 0;
};

// Page-locked memory that a GPU writes to, used again and again: copies to it need no detour, and
// taking it anew would cost more than they do.
class PageLocked {
 public:
  // At least so many bytes, until the last owner goes; then the next taker gets them. Null when
  // the system gives none.
  std::shared_ptr<void> take(std::size_t bytes);

 private:
  std::mutex mutex_;
  std::shared_ptr<void> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace unfold::core::cuda
