#include "gsa/cuda/unfolding_general.cuh"

namespace unfold::gsa::kernels::cuda {

UNFOLD_INSTANTIATE_UNFOLDING(float);

}  // namespace unfold::gsa::kernels::cuda
