#include "autograd/ops/shape.h"

#include "autograd/ops/op.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/nn.h"

namespace unfold::autograd {

namespace kernels = core::kernels;

Variable reshape(const Variable& x, core::Shape shape) {
  return record("reshape", x.value().reshape(std::move(shape)), {x},
                [slot = x.slot()](const Tensor& dy) { slot->add(dy.reshape(slot->shape)); });
}

Variable transpose(const Variable& x, std::int64_t a, std::int64_t b) {
  return record(
      "transpose", x.value().transpose(a, b).contiguous(), {x},
      [slot = x.slot(), a, b](const Tensor& dy) { slot->add(dy.transpose(a, b).contiguous()); });
}

Variable slice(const Variable& x, std::int64_t dim, std::int64_t begin, std::int64_t end) {
  return record("slice", x.value().slice(dim, begin, end).contiguous(), {x},
                [slot = x.slot(), dim, begin, end](const Tensor& dy) {
                  const Tensor target = slot->accumulator().slice(dim, begin, end);
                  const Tensor total = target.clone();
                  kernels::accumulate(dy.to(slot->dtype), 1.0, total);
                  kernels::copy(total, target);
                });
}

Variable concat(const std::vector<Variable>& parts, std::int64_t dim) {
  core::check(!parts.empty(), "concat", "nothing to concatenate");
  core::Shape shape = parts[0].shape();
  const auto at = static_cast<std::size_t>(dim < 0 ? dim + parts[0].value().rank() : dim);
  core::check(at < shape.size(), "concat", "dimension {} of {}", dim, core::shown(shape));
  shape[at] = 0;
  for (const Variable& part : parts) shape[at] += part.dim(static_cast<std::int64_t>(at));
  const Tensor y = Tensor::empty(shape, parts[0].dtype(), parts[0].value().device());
  std::vector<std::shared_ptr<GradientSlot>> slots;
  std::vector<std::int64_t> begins = {0};
  for (const Variable& part : parts) {
    const std::int64_t end = begins.back() + part.dim(static_cast<std::int64_t>(at));
    kernels::copy(part.value(), y.slice(static_cast<std::int64_t>(at), begins.back(), end));
    slots.push_back(part.slot());
    begins.push_back(end);
  }
  return record("concat", y, parts, [slots, begins, at](const Tensor& dy) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (!slots[i]) continue;
      slots[i]->add(dy.slice(static_cast<std::int64_t>(at), begins[i], begins[i + 1]).contiguous());
    }
  });
}

Variable gather_rows(const Variable& x, const Tensor& index) {
  core::check(x.value().rank() == 2 && index.rank() == 1, "gather_rows", "x {}, index {}",
              core::shown(x.shape()), core::shown(index.shape()));
  if (index.device().is_cpu()) {
    const std::int32_t* row = index.data<std::int32_t>();
    for (std::int64_t m = 0; m < index.size(); ++m) {
      core::check(row[m] >= 0 && row[m] < x.dim(0), "gather_rows", "row {} at {} of {} rows",
                  row[m], m, x.dim(0));
    }
  }
  const Tensor y = Tensor::empty({index.size(), x.dim(1)}, x.dtype(), x.value().device());
  kernels::gather_rows(x.value(), index, y);
  return record("gather_rows", y, {x}, [slot = x.slot(), index](const Tensor& dy) {
    add_in_accumulator(*slot, [&](const Tensor& dx) { kernels::scatter_add_rows(dy, index, dx); });
  });
}

Variable cast(const Variable& x, core::DType dtype) {
  return record("cast", x.value().to(dtype), {x},
                [slot = x.slot()](const Tensor& dy) { slot->add(dy.to(slot->dtype)); });
}

}  // namespace unfold::autograd
