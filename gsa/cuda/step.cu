#include "gsa/kernels/step.h"

#include <algorithm>

#include "gsa/cuda/launch.cuh"
#include "gsa/cuda/step_attend.h"
#include "gsa/cuda/step_select.h"

namespace unfold::gsa::kernels::cuda {

void step_attention(const Tensor& qkv, const StepPlan& plan, std::int64_t layer,
                    const Tensor& out) {
  core::cuda::use(qkv.device().index);
  for (std::int64_t first = 0; first < plan.queries(); first += kStepQueries) {
    const std::int64_t count = std::min(kStepQueries, plan.queries() - first);
    if (plan.selects(layer)) step_select(qkv, plan, layer, first, count);
    on_float(qkv.dtype(), [&](auto tag) {
      attend_step<typename decltype(tag)::type>(qkv, plan, layer, first, count, out);
    });
  }
}

}  // namespace unfold::gsa::kernels::cuda
