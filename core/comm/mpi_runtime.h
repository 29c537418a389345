// MPI as the communicator uses it. Included where mpi.h is: a build without MPI has neither.
#pragma once

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace unfold::core::mpi {

// Throws core::UserError for anything but MPI_SUCCESS.
void check_status(int status, const char* what);

// One a process. MPI is asked by one thread at a time, and only for what does not wait: waiting is
// asking again, between which others have their turn and the watch may end the wait.
class Runtime {
 public:
  Runtime();
  // MPI_Finalize, which waits for all ranks.
  void finalize();
  // "Open MPI 4.1.4".
  static std::string version();

  // Calls MPI and checks what it returns.
  template <typename Call>
  void call(const char* what, Call&& mpi_call) {
    const std::lock_guard lock(mutex_);
    check_status(mpi_call(), what);
  }
  // Waits for all of them. stopped is asked in between and may throw.
  void wait(std::span<MPI_Request> requests, const char* what,
            const std::function<void()>& stopped);

 private:
  std::mutex mutex_;
};

// A copy of a communicator, freed by MPI_Finalize.
MPI_Comm duplicate(Runtime& runtime, MPI_Comm comm);

}  // namespace unfold::core::mpi
