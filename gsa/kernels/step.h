// Attention of new tokens over cached keys as a plan lays it out: nothing of a layer waits for the
// host. The keys a query picks are those of the policies (METHOD.md section 7): scores in double,
// ties to the lower index.
#pragma once

#include "core/kernels/kernel.h"
#include "gsa/step_plan.h"

namespace unfold::gsa::kernels {

using core::Tensor;

// Stores the keys and values of all rows of qkv (rows, shape.qkv_width()). With a table (positions,
// width) of cosines, then sines, queries and keys of qkv come unrotated, and queries are rotated in
// place (core/kernels/nn.h, rope); undefined: they are rotated already.
UNFOLD_KERNEL(step_store, const Tensor& qkv, const StepPlan& plan, std::int64_t layer,
              const Tensor& rope);

// Writes the rows of out (rows, shape.out_width()) that are queries of the plan. The keys are
// stored. Adds to plan.reads().
UNFOLD_KERNEL(step_attention, const Tensor& qkv, const StepPlan& plan, std::int64_t layer,
              const Tensor& out);

}  // namespace unfold::gsa::kernels
