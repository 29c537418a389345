// What core keeps for each GPU: its properties, the stream all its work runs on, its memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

#include "core/block_cache.h"
#include "core/cuda/staging.h"

namespace unfold::core::cuda {

// Read from the device; nothing about a device is assumed.
struct Properties {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  int major = 0;     // compute capability
  int minor = 0;
  int processors = 0;                // streaming multiprocessors
  std::size_t shared_per_block = 0;  // bytes a block may have, when it asks for them
  std::size_t shared_per_processor = 0;
  std::size_t l2_bytes = 0;
  std::size_t memory_bytes = 0;
};

// One a device, made when the device is first used, kept until the process ends: tensors may
// outlive main(), and the CUDA runtime frees everything by itself.
class Context {
 public:
  explicit Context(int device);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  int device() const { return device_; }
  const Properties& properties() const { return properties_; }
  // Kernels, copies and library calls of a device all run on this stream, so memory that one gives
  // back can be handed to the next at once. Work on any other stream has to be ordered with it by
  // events, and has to keep its memory until it is done.
  cudaStream_t stream() const { return stream_; }
  BlockCache& memory() { return memory_; }
  // Whether blocks are cached at all. UNFOLD_CUDA_CACHE=0 takes and frees every block by itself,
  // which is slow, but lets compute-sanitizer see accesses behind the end of a tensor.
  bool cached() const { return cached_; }
  Staging& staging() { return staging_; }
  PageLocked& page_locked() { return page_locked_; }
  // Waits for all work so far.
  void synchronize();

 private:
  int device_;
  Properties properties_;
  cudaStream_t stream_ = nullptr;
  BlockCache memory_;
  bool cached_ = true;
  Staging staging_;
  PageLocked page_locked_;
};

// The context of a device, which becomes the calling thread's current device. Throws
// core::UserError when the device is not there or this program has no code for it.
Context& use(int device);

}  // namespace unfold::core::cuda
