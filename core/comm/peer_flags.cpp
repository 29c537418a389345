#include "core/comm/peer_flags.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "core/cuda/context.h"
#include "core/cuda/status.h"

namespace unfold::core {
namespace {

using ValueFunction = CUresult(CUDAAPI*)(CUstream, CUdeviceptr, cuuint32_t, unsigned);

// The driver is asked for its functions, so that the program starts where there is none.
void* driver_function(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t status =
      cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found);
#else
  const cudaError_t status = cudaGetDriverEntryPoint(name, &function, cudaEnableDefault, &found);
#endif
  return status == cudaSuccess && found == cudaDriverEntryPointSuccess ? function : nullptr;
}

// The driver's codes are the runtime's.
void call(void* function, const cuda::SideStream& stream, void* memory, const PeerFlag& flag,
          unsigned flags, const char* what) {
  const auto address = reinterpret_cast<CUdeviceptr>(memory) + flag.word * SharedWords::kStride;
  cuda::use(stream.device());
  cuda::check_status(static_cast<cudaError_t>(reinterpret_cast<ValueFunction>(function)(
                         static_cast<CUstream>(stream.native()), address, flag.value, flags)),
                     what);
}

}  // namespace

std::unique_ptr<PeerFlags> PeerFlags::make(SharedWords words, int device) {
  cuda::use(device);
  std::unique_ptr<PeerFlags> flags(new PeerFlags(std::move(words)));
  flags->wait_value_ = driver_function("cuStreamWaitValue32");
  flags->write_value_ = driver_function("cuStreamWriteValue32");
  void* const memory = flags->words_.memory();
  if (flags->wait_value_ != nullptr && flags->write_value_ != nullptr &&
      cudaHostRegister(memory, flags->words_.bytes(), cudaHostRegisterMapped) == cudaSuccess) {
    if (cudaHostGetDevicePointer(&flags->device_memory_, memory, 0) == cudaSuccess) return flags;
    flags->device_memory_ = nullptr;
    cudaHostUnregister(memory);
  }
  cudaGetLastError();  // what failed is not the next call's error
  return nullptr;
}

PeerFlags::~PeerFlags() {
  if (device_memory_ != nullptr) cudaHostUnregister(words_.memory());
}

void PeerFlags::wait(const cuda::SideStream& stream, const PeerFlag& flag) const {
  call(wait_value_, stream, device_memory_, flag, CU_STREAM_WAIT_VALUE_GEQ,
       "waiting for another GPU");
}

void PeerFlags::write(const cuda::SideStream& stream, const PeerFlag& flag) const {
  call(write_value_, stream, device_memory_, flag, CU_STREAM_WRITE_VALUE_DEFAULT,
       "telling another GPU");
}

}  // namespace unfold::core
