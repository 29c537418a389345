#include "gsa/kernels/routing_loss.h"

#include "gsa/cuda/launch.cuh"
#include "gsa/cuda/routing_loss_general.h"

namespace unfold::gsa::kernels::cuda {

void routing_loss(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
                  std::int64_t length, const Tensor& loss, const Tensor& dqkv) {
  core::cuda::use(qkv.device().index);
  if (table.suffix.empty()) {
    set_zero(loss);
    return;
  }
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_routing_loss<T>(qkv, shape, table, length, loss, dqkv);
  });
}

}  // namespace unfold::gsa::kernels::cuda
