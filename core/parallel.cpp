#include "core/parallel.h"

#include <omp.h>

namespace unfold::core {

int thread_count() {
  return omp_in_parallel() ? 1 : omp_get_max_threads();
}

}  // namespace unfold::core
