#include "core/comm/mpi_runtime.h"

#include <sched.h>
#include <unistd.h>

#include "core/error.h"

namespace unfold::core::mpi {

void check_status(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(status, text, &length);
  fail("mpi", "{}: {}: a rank or the network between the hosts is gone", what, text);
}

Runtime::Runtime() {
  int provided = MPI_THREAD_SINGLE;
  check_status(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "starting MPI");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  require(provided >= MPI_THREAD_SERIALIZED, "mpi",
          "{} allows one thread alone to use it: rebuild it with MPI_THREAD_SERIALIZED or more",
          version());
}

void Runtime::finalize() {
  const std::lock_guard lock(mutex_);
  MPI_Finalize();
}

std::string Runtime::version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  std::string version(text);
  // "Open MPI v4.1.4, package: ..., ..." and several lines of MPICH: the first words are enough.
  version = version.substr(0, version.find_first_of(",\n"));
  if (const std::size_t v = version.find(" v"); v != std::string::npos) version.erase(v + 1, 1);
  return version;
}

void Runtime::wait(std::span<MPI_Request> requests, const char* what,
                   const std::function<void()>& stopped) {
  // A message between processes of one host takes microseconds: at first nobody sleeps. Ranks that
  // share cores need the processor of one that waits.
  constexpr int kYields = 200;
  constexpr int kShortSleeps = 2000;
  for (int tries = 0;; ++tries) {
    int done = 0;
    call(what, [&] {
      return MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                         MPI_STATUSES_IGNORE);
    });
    if (done != 0) return;
    if (tries < kYields) {
      ::sched_yield();
      continue;
    }
    stopped();
    ::usleep(tries < kShortSleeps ? 20 : 500);
  }
}

MPI_Comm duplicate(Runtime& runtime, MPI_Comm comm) {
  MPI_Comm copy = MPI_COMM_NULL;
  runtime.call("copying a communicator", [&] { return MPI_Comm_dup(comm, &copy); });
  MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
  return copy;
}

}  // namespace unfold::core::mpi
