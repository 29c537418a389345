// Checks of NCCL's calls.
#pragma once

#include <nccl.h>

namespace unfold::core {

// Throws core::UserError with what NCCL says, and what to do, unless status is ncclSuccess.
void check_nccl(ncclResult_t status, const char* what);

}  // namespace unfold::core
