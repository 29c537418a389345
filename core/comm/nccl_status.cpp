#include "core/comm/nccl_status.h"

#include "core/error.h"

namespace unfold::core {

void check_nccl(ncclResult_t status, const char* what) {
  if (status == ncclSuccess) return;
  const char* const last = ncclGetLastError(nullptr);
  fail("nccl",
       "{}: {}{}{}: see it with NCCL_DEBUG=INFO, or exchange through host memory with "
       "UNFOLD_COMM=mpi",
       what, ncclGetErrorString(status), last != nullptr && *last != '\0' ? ": " : "",
       last == nullptr ? "" : last);
}

}  // namespace unfold::core
