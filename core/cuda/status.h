// Checks of CUDA calls, made where the call is made.
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>
#include <string>

namespace unfold::core::cuda {

// Nothing for cudaSuccess. Else throws, in one line that begins with `what`:
//   core::UserError      what the user or the machine's owner can mend: no GPU, no driver, an old
//                        driver, a program without this GPU's code, no memory, a GPU in use or
//                        broken
//   core::InternalError  everything else, with the place in the source. Errors inside a kernel show
//                        up at a later call, which the message says.
void check_status(cudaError_t status, const char* what,
                  const std::source_location& where = std::source_location::current());

// Why there is no GPU to use: driver missing or too old, none present, ... Empty when there is one.
std::string why_no_gpu();

}  // namespace unfold::core::cuda
