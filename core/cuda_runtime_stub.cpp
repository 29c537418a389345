// Stands in for core/cuda/runtime.cpp in a build without CUDA.
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
std::string device_name(int) {
  without_cuda();
}
std::string describe() {
  return "no GPU: this program was built without CUDA";
}
void* allocate(int, std::size_t) {
  without_cuda();
}
void release(int, void*) noexcept {}
MemoryInfo memory_info(int) {
  without_cuda();
}
void release_cached(int) {
  without_cuda();
}
void copy(Device, void*, Device, const void*, std::size_t) {
  without_cuda();
}
void synchronize(int) {
  without_cuda();
}
void* mark(int) {
  without_cuda();
}
double seconds_between(int, void*, void*) {
  without_cuda();
}
void release_mark(void*) noexcept {}
void push_range(const char*) noexcept {}
void pop_range() noexcept {}

}  // namespace unfold::core::cuda
