#include "core/cuda/row_linear_launch.cuh"

namespace unfold::core::kernels::cuda {

template bool run_rows<double>(const Context&, RowOperands<double>, const RowPath&);

}  // namespace unfold::core::kernels::cuda
