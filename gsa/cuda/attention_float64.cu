#include "gsa/cuda/attention_general.cuh"

namespace unfold::gsa::kernels::cuda {

UNFOLD_INSTANTIATE_ATTENTION(double);

}  // namespace unfold::gsa::kernels::cuda
