#include "autograd/ops/embedding.h"

#include "autograd/node.h"
#include "autograd/ops/op.h"
#include "core/kernels/nn.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable embedding(const Variable& table, const Tensor& ids) {
  core::check(table.value().rank() == 2 && ids.rank() == 1, "embedding", "table {}, ids {}",
              core::shown(table.shape()), core::shown(ids.shape()));
  if (ids.device().is_cpu()) {
    const std::int32_t* id = ids.data<std::int32_t>();
    for (std::int64_t n = 0; n < ids.size(); ++n) {
      core::check(id[n] >= 0 && id[n] < table.dim(0), "embedding", "id {} at {} of a table of {}",
                  id[n], n, table.dim(0));
    }
  }
  const Tensor y = Tensor::empty({ids.size(), table.dim(1)}, table.dtype(), table.value().device());
  kernels::embedding(table.value(), ids, y);
  Variable result = record("embedding", y, {table}, [slot = table.slot(), ids](const Tensor& dy) {
    if (slot->on_rows) return slot->on_rows(ids, dy);
    add_in_accumulator(
        *slot, [&](const Tensor& dtable) { kernels::embedding_backward(dy, ids, 0, dtable); });
  });
  if (result.requires_grad()) result.slot()->producer->lookup = true;
  return result;
}

}  // namespace unfold::autograd
