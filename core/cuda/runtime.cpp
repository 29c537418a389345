#include "core/cuda/runtime.h"

#include <cuda_runtime_api.h>
#include <nvtx3/nvToolsExt.h>

#include "core/cuda/context.h"
#include "core/cuda/status.h"
#include "core/error.h"

namespace unfold::core::cuda {

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return count;
}

std::string device_name(int device) {
  return use(device).properties().name;
}

std::string describe() {
  const std::string missing = why_no_gpu();
  if (!missing.empty()) return fmt::format("no GPU: {}", missing);
  const int count = device_count();
  std::string text = fmt::format("{} GPU{}:", count, count == 1 ? "" : "s");
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties{};
    check_status(cudaGetDeviceProperties(&properties, index), "reading device properties");
    text += fmt::format("{} {} (sm_{}{}, {:.1f} GiB)", index == 0 ? "" : ",", properties.name,
                        properties.major, properties.minor,
                        static_cast<double>(properties.totalGlobalMem) / (1u << 30));
  }
  return text;
}

void* allocate(int device, std::size_t bytes) {
  Context& context = use(device);
  if (context.cached()) return context.memory().allocate(bytes);
  void* pointer = nullptr;
  const cudaError_t status = cudaMalloc(&pointer, bytes == 0 ? 1 : bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check_status(status, "allocating device memory");
  return pointer;
}

void release(int device, void* pointer) noexcept {
  if (pointer == nullptr) return;
  try {
    Context& context = use(device);
    if (context.cached()) {
      context.memory().release(pointer);
    } else {
      cudaStreamSynchronize(context.stream());
      cudaFree(pointer);
    }
  } catch (const Error&) {
    // The device is lost or the process ends: its memory is gone with it.
  }
}

MemoryInfo memory_info(int device) {
  Context& context = use(device);
  std::size_t free = 0;
  std::size_t total = 0;
  check_status(cudaMemGetInfo(&free, &total), "reading free memory");
  const BlockCache::Stats cache = context.memory().stats();
  return {static_cast<std::int64_t>(total), static_cast<std::int64_t>(free), cache.cached,
          cache.largest, cache.in_use + cache.cached};
}

void release_cached(int device) {
  use(device).memory().trim();
}

void copy(Device to_device, void* to, Device from_device, const void* from, std::size_t bytes) {
  if (from_device.is_cpu()) {
    Context& context = use(to_device.index);
    context.staging().copy(to, from, bytes, context.stream());
  } else if (to_device.is_cpu()) {
    Context& context = use(from_device.index);
    check_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, context.stream()),
                 "copying from the GPU");
    context.synchronize();
  } else if (to_device == from_device) {
    Context& context = use(to_device.index);
    check_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, context.stream()),
                 "copying on the GPU");
  } else {
    // Rare, so plainly: what wrote the source is done before, and the copy before anything after.
    use(from_device.index).synchronize();
    Context& context = use(to_device.index);
    check_status(
        cudaMemcpyPeerAsync(to, to_device.index, from, from_device.index, bytes, context.stream()),
        "copying between GPUs");
    context.synchronize();
  }
}

void synchronize(int device) {
  use(device).synchronize();
}

void* mark(int device) {
  Context& context = use(device);
  cudaEvent_t event = nullptr;
  check_status(cudaEventCreate(&event), "making an event");
  const cudaError_t status = cudaEventRecord(event, context.stream());
  if (status != cudaSuccess) cudaEventDestroy(event);
  check_status(status, "marking the time");
  return event;
}

double seconds_between(int device, void* begin, void* end) {
  use(device);
  const auto last = static_cast<cudaEvent_t>(end);
  check_status(cudaEventSynchronize(last), "waiting for the GPU");
  float milliseconds = 0;
  check_status(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin), last),
               "reading the time");
  return static_cast<double>(milliseconds) * 1e-3;
}

bool has_passed(int device, void* mark) {
  use(device);
  const cudaError_t status = cudaEventQuery(static_cast<cudaEvent_t>(mark));
  if (status == cudaErrorNotReady) {
    static_cast<void>(cudaGetLastError());  // it is remembered as an error, and is none
    return false;
  }
  check_status(status, "asking the GPU how far it is");
  return true;
}

void release_mark(void* mark) noexcept {
  if (mark != nullptr) cudaEventDestroy(static_cast<cudaEvent_t>(mark));
}

void push_range(const char* name) noexcept {
  nvtxRangePushA(name);
}
void pop_range() noexcept {
  nvtxRangePop();
}

}  // namespace unfold::core::cuda
