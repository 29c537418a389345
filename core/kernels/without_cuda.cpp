#include "core/kernels/without_cuda.h"

#include "core/error.h"

namespace unfold::core::kernels {

void without_cuda(const char* kernel) {
  fail("cuda", "{} has no CUDA kernel in this build: run it on the CPU", kernel);
}

}  // namespace unfold::core::kernels
