// Selection on the device: the first half of step_attention.
#pragma once

#include "gsa/step_plan.h"

namespace unfold::gsa::kernels::cuda {

// Fills the workspace's lists for `count` queries of the plan from `first` on (at most
// kStepQueries), with what they pick in a layer; query first + i owns part i of the workspace.
// Adds to plan.reads().
void step_select(const core::Tensor& qkv, const StepPlan& plan, std::int64_t layer,
                 std::int64_t first, std::int64_t count);

// A key in a list: section << kListShift | index.
inline constexpr int kListShift = 28;

}  // namespace unfold::gsa::kernels::cuda
