#include "core/cuda/side_stream.h"

#include <cuda_runtime_api.h>

#include "core/cuda/context.h"
#include "core/cuda/status.h"

namespace unfold::core::cuda {
namespace {

cudaStream_t stream_of(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

}  // namespace

SideStream::SideStream(int device) : device_(device) {
  use(device);
  // Before others where the device chooses: communication that waits holds up all ranks.
  int least = 0;
  int most = 0;
  check_status(cudaDeviceGetStreamPriorityRange(&least, &most), "reading stream priorities");
  cudaStream_t stream = nullptr;
  check_status(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, most),
               "making a stream");
  stream_ = stream;
}

SideStream::~SideStream() {
  if (stream_ != nullptr) cudaStreamDestroy(stream_of(stream_));
}

void SideStream::wait_for(void* mark) {
  use(device_);
  check_status(cudaStreamWaitEvent(stream_of(stream_), static_cast<cudaEvent_t>(mark), 0),
               "ordering streams");
}

void* SideStream::mark() {
  use(device_);
  cudaEvent_t event = nullptr;
  check_status(cudaEventCreate(&event), "making an event");
  const cudaError_t status = cudaEventRecord(event, stream_of(stream_));
  if (status != cudaSuccess) cudaEventDestroy(event);
  check_status(status, "marking the time");
  return event;
}

void SideStream::synchronize() {
  use(device_);
  check_status(cudaStreamSynchronize(stream_of(stream_)), "waiting for the GPU");
}

void SideStream::copy_to_host(void* to, const void* from, std::size_t bytes) {
  use(device_);
  check_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(stream_)),
               "copying from the GPU");
  synchronize();
}

void SideStream::copy_to_device(void* to, const void* from, std::size_t bytes) {
  use(device_);
  check_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(stream_)),
               "copying to the GPU");
  synchronize();
}

void SideStream::copy_on_device(void* to, const void* from, std::size_t bytes) {
  use(device_);
  check_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(stream_)),
               "copying on the GPU");
  synchronize();
}

void wait_for_mark(int device, void* mark) {
  Context& context = use(device);
  check_status(cudaStreamWaitEvent(context.stream(), static_cast<cudaEvent_t>(mark), 0),
               "ordering streams");
}

void* allocate_host(std::size_t bytes) {
  void* memory = nullptr;
  check_status(cudaMallocHost(&memory, bytes), "allocating page-locked memory");
  return memory;
}

void release_host(void* memory) noexcept {
  if (memory != nullptr) cudaFreeHost(memory);
}

std::string device_address(int device) {
  char text[32] = {};
  check_status(cudaDeviceGetPCIBusId(text, sizeof text, device), "reading the GPU's address");
  return text;
}

}  // namespace unfold::core::cuda
