#include "gsa/cuda/attention_general.cuh"

namespace unfold::gsa::kernels::cuda {

UNFOLD_INSTANTIATE_ATTENTION(core::bfloat16);

}  // namespace unfold::gsa::kernels::cuda
