#include "autograd/ops/rope.h"

#include "core/kernels/nn.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable rope(Variable x, const Tensor& positions, const Tensor& table, std::int64_t rotated) {
  core::check(x.value().rank() == 2 && positions.size() == x.dim(0) && table.rank() == 2 &&
                  table.dim(1) % 2 == 0 && rotated * table.dim(1) <= x.dim(1),
              "rope", "x {}, positions {}, table {}, {} heads", core::shown(x.shape()),
              core::shown(positions.shape()), core::shown(table.shape()), rotated);
  if (positions.device().is_cpu()) {
    const std::int32_t* position = positions.data<std::int32_t>();
    for (std::int64_t n = 0; n < positions.size(); ++n) {
      core::check(position[n] >= 0 && position[n] < table.dim(0), "rope",
                  "position {} at {} with a table of {}", position[n], n, table.dim(0));
    }
  }
  const auto result_for = [](const Tensor& from) {
    return from.owns_alone() ? from : Tensor::empty(from.shape(), from.dtype(), from.device());
  };
  const Tensor y = result_for(x.value());
  kernels::rope(x.value(), positions, table, rotated, false, y);
  return record("rope", y, {x},
                [slot = x.slot(), positions, table, rotated, result_for](const Tensor& dy) {
                  const Tensor dx = result_for(dy);
                  kernels::rope(dy, positions, table, rotated, true, dx);
                  slot->add(dx);
                });
}

}  // namespace unfold::autograd
