#include "gsa/cuda/step_attend_launch.cuh"

namespace unfold::gsa::kernels::cuda {

template void attend_step<float>(const core::Tensor&, const StepPlan&, std::int64_t, std::int64_t,
                                 std::int64_t, const core::Tensor&);

}  // namespace unfold::gsa::kernels::cuda
