// A stream beside the device's own (core/cuda/context.h): for copies and communication that run
// while kernels do. side_stream.cpp implements it; a build without CUDA links
// core/cuda_side_stream_stub.cpp.
//
// Marks (core/cuda/runtime.h) order the two. Memory that work here uses must stay allocated until
// the device's own stream waits for a mark behind it.
#pragma once

#include <cstddef>
#include <string>

namespace unfold::core::cuda {

class SideStream {
 public:
  explicit SideStream(int device);
  ~SideStream();
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  int device() const { return device_; }
  // What is given from now on begins behind the mark.
  void wait_for(void* mark);
  // Where the work given so far ends; release_mark() when done with it.
  void* mark();
  // Waits for the work so far.
  void synchronize();
  // Return when done. Host memory best page-locked.
  void copy_to_host(void* to, const void* from, std::size_t bytes);
  void copy_to_device(void* to, const void* from, std::size_t bytes);
  void copy_on_device(void* to, const void* from, std::size_t bytes);
  void* native() const { return stream_; }  // cudaStream_t

 private:
  int device_;
  void* stream_ = nullptr;
};

// The device's own stream goes on behind the mark; the host does not wait.
void wait_for_mark(int device, void* mark);

// Page-locked host memory.
void* allocate_host(std::size_t bytes);
void release_host(void* memory) noexcept;

// What a device is called on its host: the same for every process that uses it.
// "0000:1b:00.0".
std::string device_address(int device);

}  // namespace unfold::core::cuda
