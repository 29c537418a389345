#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string_view>

#include "core/cuda/context.h"
#include "core/cuda/status.h"
#include "core/error.h"

namespace unfold::core::cuda {
namespace {

constexpr int kMaxDevices = 16;  // as in core/memory.cpp

// Compiled for the architectures of this program, as every kernel: tells whether the GPU is one.
__global__ void probe() {}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check_status(cudaDeviceGetAttribute(&value, which, device), "reading device properties");
  return value;
}

Properties read_properties(int device) {
  cudaDeviceProp all{};
  check_status(cudaGetDeviceProperties(&all, device), "reading device properties");
  Properties properties;
  properties.name = all.name;
  properties.major = all.major;
  properties.minor = all.minor;
  properties.processors = all.multiProcessorCount;
  properties.shared_per_block =
      static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  properties.shared_per_processor = all.sharedMemPerMultiprocessor;
  properties.l2_bytes = static_cast<std::size_t>(all.l2CacheSize);
  properties.memory_bytes = all.totalGlobalMem;
  return properties;
}

// Selects the device and reads what it is, or says why it cannot be used.
Properties open_device(int device) {
  const std::string missing = why_no_gpu();
  require(missing.empty(), "cuda", "cuda:{}: {}", device, missing);
  int count = 0;
  check_status(cudaGetDeviceCount(&count), "counting GPUs");
  require(device >= 0 && device < count && device < kMaxDevices, "cuda",
          "there is no cuda:{}: this process sees {} GPU{}", device, count, count == 1 ? "" : "s");
  check_status(cudaSetDevice(device), "selecting the GPU");
  Properties properties = read_properties(device);
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, probe);
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction ||
      status == cudaErrorUnsupportedPtxVersion) {
    cudaGetLastError();
    fail("cuda",
         "this program has no code for cuda:{} ({}, sm_{}{}): rebuild with "
         "-DUNFOLD_CUDA_ARCHITECTURES={}{}-real, or use the CPU",
         device, properties.name, properties.major, properties.minor, properties.major,
         properties.minor);
  }
  check_status(status, "loading the kernels");
  return properties;
}

BlockCache::Source device_memory(int device) {
  return {[device](std::size_t bytes) -> void* {
            void* pointer = nullptr;
            const cudaError_t status = cudaMalloc(&pointer, bytes);
            if (status == cudaErrorMemoryAllocation) {
              cudaGetLastError();
              return nullptr;
            }
            check_status(status, "allocating device memory");
            return pointer;
          },
          [device](void* segment) {
            // Kernels that use it may still be waiting.
            int current = device;
            cudaGetDevice(&current);
            cudaSetDevice(device);
            cudaDeviceSynchronize();
            cudaFree(segment);
            cudaSetDevice(current);
          }};
}

bool cache_wanted() {
  const char* const setting = std::getenv("UNFOLD_CUDA_CACHE");
  return setting == nullptr || std::string_view(setting) != "0";
}

}  // namespace

Context::Context(int device)
    : device_(device),
      properties_(open_device(device)),
      memory_(device_memory(device)),
      cached_(cache_wanted()) {
  check_status(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
}

void Context::synchronize() {
  check_status(cudaStreamSynchronize(stream_), "waiting for the GPU");
}

Context& use(int device) {
  static std::array<std::atomic<Context*>, kMaxDevices> contexts;
  static std::mutex making;
  Context* context = nullptr;
  if (device >= 0 && device < kMaxDevices) {
    context = contexts[static_cast<std::size_t>(device)].load(std::memory_order_acquire);
  }
  if (context == nullptr) {
    const std::lock_guard lock(making);
    const auto slot = static_cast<std::size_t>(device);
    if (device >= 0 && device < kMaxDevices) context = contexts[slot].load();
    if (context == nullptr) {
      context = new Context(device);  // never deleted: see the header
      contexts[slot].store(context, std::memory_order_release);
    }
  }
  int current = -1;
  check_status(cudaGetDevice(&current), "reading the current GPU");
  if (current != device) check_status(cudaSetDevice(device), "selecting the GPU");
  return *context;
}

}  // namespace unfold::core::cuda
