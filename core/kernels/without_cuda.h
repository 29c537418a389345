// What a kernel without a CUDA implementation does on a CUDA tensor.
#pragma once

namespace unfold::core::kernels {

// Throws core::UserError naming the kernel.
[[noreturn]] void without_cuda(const char* kernel);

}  // namespace unfold::core::kernels
