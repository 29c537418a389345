#include "gsa/cuda/routing_loss_general.cuh"

namespace unfold::gsa::kernels::cuda {

template void general_routing_loss<core::bfloat16>(const core::Tensor&, const AttentionShape&,
                                                   const ChunkTable&, std::int64_t,
                                                   const core::Tensor&, const core::Tensor&);

}  // namespace unfold::gsa::kernels::cuda
