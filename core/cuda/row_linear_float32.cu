#include "core/cuda/row_linear_launch.cuh"

namespace unfold::core::kernels::cuda {

template bool run_rows<float>(const Context&, RowOperands<float>, const RowPath&);

}  // namespace unfold::core::kernels::cuda
