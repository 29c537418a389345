// New keys and values go to their caches, rotated on the way where they come unrotated.
#include "core/cuda/overlap.cuh"
#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/launch.cuh"
#include "gsa/cuda/scalar.cuh"
#include "gsa/kernels/step.h"

namespace unfold::gsa::kernels::cuda {
namespace {

constexpr int kStoreThreads = 128;

// Block (x, y): row x of qkv, key/value head y with the query heads that read it. A pair of
// elements (i, i + width / 2) belongs to one thread, so queries turn in place.
template <typename T, bool kRotate>
__global__ void __launch_bounds__(kStoreThreads)
    step_store_kernel(Heads heads, T* qkv, const StepToken* tokens, const StepSection* sections,
                      const Accumulator<T>* table) {
  using A = Accumulator<T>;
  core::kernels::cuda::let_next_start();
  const std::int64_t row = blockIdx.x;
  const int kv_head = static_cast<int>(blockIdx.y);
  const StepToken token = tokens[row];
  const StepSection place = sections[token.slot * kStepSections + token.section];
  const std::int64_t to =
      kv_head * place.between + static_cast<std::int64_t>(token.index) * heads.width;
  T* const keys = static_cast<T*>(place.keys) + to;
  T* const values = static_cast<T*>(place.values) + to;
  const T* const key = qkv + heads.key(row, kv_head);
  const T* const value = qkv + heads.value(row, kv_head);
  const int thread = static_cast<int>(threadIdx.x);
  core::kernels::cuda::wait_for_previous();
  for (int d = thread; d < heads.width; d += kStoreThreads) {
    values[d] = value[d];
    if constexpr (!kRotate) keys[d] = key[d];
  }
  if constexpr (kRotate) {
    const int half = heads.width / 2;
    const A* cosines = table + static_cast<std::int64_t>(token.rope) * heads.width;
    for (int item = thread; item < (heads.group + 1) * half; item += kStoreThreads) {
      const int which = item / half;
      const int pair = item % half;
      const bool query = which < heads.group;
      const T* from = query ? qkv + heads.query(row, kv_head * heads.group + which) : key;
      T* into = query ? qkv + heads.query(row, kv_head * heads.group + which) : keys;
      const A a = widen(from[pair]);
      const A b = widen(from[pair + half]);
      const A cosine = cosines[pair];
      const A sine = cosines[pair + half];
      into[pair] = narrow<T>(a * cosine - b * sine);
      into[pair + half] = narrow<T>(b * cosine + a * sine);
    }
  }
}

}  // namespace

void step_store(const Tensor& qkv, const StepPlan& plan, std::int64_t layer, const Tensor& rope) {
  if (plan.rows() == 0) return;
  const core::cuda::Context& context = core::cuda::use(qkv.device().index);
  const Heads heads(plan.shape());
  const dim3 grid(grid_extent(plan.rows()), static_cast<unsigned>(heads.kv_heads));
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const auto launch = [&](auto kernel, const A* table) {
      core::kernels::cuda::launch_early(context, "step_store", kernel, grid, kStoreThreads, 0, true,
                                        heads, qkv.data<T>(), plan.tokens(), plan.sections(layer),
                                        table);
    };
    if (rope.defined()) {
      launch(step_store_kernel<T, true>, rope.data<A>());
    } else {
      launch(step_store_kernel<T, false>, nullptr);
    }
  });
}

}  // namespace unfold::gsa::kernels::cuda
