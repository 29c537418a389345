#include "gsa/cuda/attention_tensor.cuh"

namespace unfold::gsa::kernels::cuda {

UNFOLD_INSTANTIATE_TENSOR_ATTENTION(128, SyncProducts);

}  // namespace unfold::gsa::kernels::cuda
