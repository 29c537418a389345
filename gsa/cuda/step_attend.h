// Attention over picked keys on the device: the second half of step_attention.
#pragma once

#include "gsa/step_plan.h"

namespace unfold::gsa::kernels::cuda {

// Attends for `count` queries of the plan from `first` on (at most kStepQueries), over their views
// and the lists that step_select left for them.
template <typename T>
void attend_step(const core::Tensor& qkv, const StepPlan& plan, std::int64_t layer,
                 std::int64_t first, std::int64_t count, const core::Tensor& out);

}  // namespace unfold::gsa::kernels::cuda
