// Stands in for core/cuda/side_stream.cpp in a build without CUDA.
#include "core/cuda/side_stream.h"
#include "core/error.h"

namespace unfold::core::cuda {
namespace {

[[noreturn]] void without_cuda() {
  fail("cuda",
       "this program was built without CUDA: rebuild with -DUNFOLD_CUDA=ON, or use the CPU");
}

}  // namespace

SideStream::SideStream(int device) : device_(device) {
  without_cuda();
}
SideStream::~SideStream() = default;
void SideStream::wait_for(void*) {}
void* SideStream::mark() {
  return nullptr;
}
void SideStream::synchronize() {}
void SideStream::copy_to_host(void*, const void*, std::size_t) {}
void SideStream::copy_to_device(void*, const void*, std::size_t) {}
void SideStream::copy_on_device(void*, const void*, std::size_t) {}
void wait_for_mark(int, void*) {}
void* allocate_host(std::size_t) {
  without_cuda();
}
void release_host(void*) noexcept {}
std::string device_address(int) {
  without_cuda();
}

}  // namespace unfold::core::cuda
