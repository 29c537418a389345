// Parallel loops over OpenMP. A body must compute every index independently of how the range is
// cut, so that results are the same for every thread count.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

namespace unfold::core {

// Threads a parallel loop may use (OMP_NUM_THREADS).
int thread_count();

// Calls body(begin, end) on disjoint pieces that cover [0, count). Pieces have at least `grain`
// indices, except the last; small loops run on the caller alone. The first exception is rethrown.
template <typename Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
  if (count <= 0) return;
  const std::int64_t wanted = (count + grain - 1) / grain;
  const std::int64_t pieces = std::min<std::int64_t>(wanted, thread_count());
  if (pieces <= 1) {
    body(std::int64_t{0}, count);
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(pieces))
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    try {
      body(count * piece / pieces, count * (piece + 1) / pieces);
    } catch (...) {
#pragma omp critical(unfold_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace unfold::core
