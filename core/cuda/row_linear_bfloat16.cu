#include "core/cuda/row_linear_launch.cuh"

namespace unfold::core::kernels::cuda {

template bool run_rows<bfloat16>(const Context&, RowOperands<bfloat16>, const RowPath&);

}  // namespace unfold::core::kernels::cuda
