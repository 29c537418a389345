#include "core/cuda/status.h"

#include "core/error.h"

namespace unfold::core::cuda {
namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// The driver's library may be missing (version 0), or older than the runtime this program has in
// it.
std::string driver_problem() {
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return "no NVIDIA driver was found: install one, or use the CPU";
  return fmt::format(
      "the NVIDIA driver supports CUDA {} at most, this program needs {}: update the driver, or "
      "use "
      "the CPU",
      version_text(driver), version_text(runtime));
}

// What to say of an error that is not a bug; empty for bugs.
std::string advice(cudaError_t status) {
  switch (status) {
    case cudaErrorInsufficientDriver:
    case cudaErrorCallRequiresNewerDriver:
      return driver_problem();
    case cudaErrorStubLibrary:
      return "the NVIDIA driver found is a stub for building: put the driver's own libcuda first, "
             "or "
             "use the CPU";
    case cudaErrorNoDevice:
      return "no GPU was found (is CUDA_VISIBLE_DEVICES set?): use the CPU";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorUnsupportedPtxVersion:
      return "this program has no code for this GPU: rebuild with UNFOLD_CUDA_ARCHITECTURES";
    case cudaErrorMemoryAllocation:
      return "out of memory: free the GPU (nvidia-smi lists who uses it), or lower "
             "train.micro_rows "
             "or train.row_length";
    case cudaErrorDevicesUnavailable:
      return "the GPU is busy or not available: another process may own it";
    case cudaErrorInitializationError:
    case cudaErrorSystemNotReady:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorOperatingSystem:
      return fmt::format("{}: check the machine with nvidia-smi", cudaGetErrorString(status));
    default:
      return "";
  }
}

// Errors of a kernel that was launched before; the context is lost.
bool comes_from_a_kernel(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
      return true;
    default:
      return false;
  }
}

}  // namespace

void check_status(cudaError_t status, const char* what, const std::source_location& where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears errors that do not stick
  const std::string known = advice(status);
  require(known.empty(), "cuda", "{}: {}", what, known);
  throw InternalError(
      "cuda",
      fmt::format("{}: {} ({}){}", what, cudaGetErrorString(status), cudaGetErrorName(status),
                  comes_from_a_kernel(status) ? ", in this kernel or one before it: run again with "
                                                "CUDA_LAUNCH_BLOCKING=1 to learn which"
                                              : ""),
      where);
}

std::string why_no_gpu() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess) return count > 0 ? "" : advice(cudaErrorNoDevice);
  cudaGetLastError();
  const std::string known = advice(status);
  return known.empty() ? cudaGetErrorString(status) : known;
}

}  // namespace unfold::core::cuda
