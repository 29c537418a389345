// Kernels of a few microseconds that follow each other: each starts while the one before it ends
// (programmatic dependent launch, compute capability 9.0 and newer; elsewhere one after the other).
//
// Such a kernel calls let_next_start() first, then reads what no kernel of the pass writes
// (weights, tables), then calls wait_for_previous(), in every thread and before any return: only
// behind it is what earlier kernels wrote there, and only behind it may anything be written. The
// first kernel of a pass is launched as usual, so that nothing overlaps with what was there before.
#pragma once

#include <utility>

#include "core/cuda/launch.cuh"

namespace unfold::core::kernels::cuda {

__device__ inline void let_next_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

__device__ inline void wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// kernel<<<grid, block, shared_bytes>>>(args...) on the context's stream, early or as usual.
template <typename... Parameters, typename... Args>
void launch_early(const Context& context, const char* name, void (*kernel)(Parameters...),
                  dim3 grid, dim3 block, std::size_t shared_bytes, bool early, Args&&... args) {
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = context.stream();
  config.attrs = &overlap;
  config.numAttrs = early && context.properties().major >= 9 ? 1 : 0;
  core::cuda::check_status(
      cudaLaunchKernelEx(&config, kernel, Parameters(std::forward<Args>(args))...), name);
}

}  // namespace unfold::core::kernels::cuda
