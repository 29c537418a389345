// Stands in for core/cuda/runtime.cu in a build without CUDA.
#include "core/cuda/runtime.h"
#include "core/error.h"

namespace unfold::core::cuda {
namespace {

[[noreturn]] void without_cuda() {
  fail("cuda",
       "this program was built without CUDA: rebuild with -DUNFOLD_CUDA=ON, or use the CPU");
}

}  // namespace

int device_count() {
  return 0;
}
std::string describe() {
  return "no GPU: this program was built without CUDA";
}
void* allocate(int, std::size_t) {
  without_cuda();
}
void release(int, void*) noexcept {}
void copy(Device, void*, Device, const void*, std::size_t) {
  without_cuda();
}

}  // namespace unfold::core::cuda
