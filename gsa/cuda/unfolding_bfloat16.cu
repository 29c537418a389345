#include "gsa/cuda/unfolding_general.cuh"

namespace unfold::gsa::kernels::cuda {

UNFOLD_INSTANTIATE_UNFOLDING(core::bfloat16);

}  // namespace unfold::gsa::kernels::cuda
