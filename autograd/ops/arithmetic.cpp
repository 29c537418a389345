#include "autograd/ops/arithmetic.h"

#include "core/kernels/elementwise.h"
#include "core/kernels/reduce.h"

namespace unfold::autograd {
namespace {

namespace kernels = core::kernels;

void check_same_shape(const char* op, const Variable& a, const Variable& b) {
  core::check(a.shape() == b.shape(), op, "shapes {} and {}", core::shown(a.shape()),
              core::shown(b.shape()));
  core::check(a.dtype() == b.dtype(), op, "dtypes {} and {}", core::name_of(a.dtype()),
              core::name_of(b.dtype()));
}

Tensor like(const Tensor& x) {
  return Tensor::empty(x.shape(), x.dtype(), x.device());
}

}  // namespace

Variable add(const Variable& a, const Variable& b) {
  check_same_shape("add", a, b);
  const Tensor y = like(a.value());
  kernels::add(a.value(), b.value(), y);
  return record("add", y, {a, b}, [left = a.slot(), right = b.slot()](const Tensor& dy) {
    if (left) left->add(dy);
    if (right) right->add(dy);
  });
}

Variable multiply(const Variable& a, const Variable& b) {
  check_same_shape("multiply", a, b);
  const Tensor y = like(a.value());
  kernels::multiply(a.value(), b.value(), y);
  return record("multiply", y, {a, b},
                [left = a.slot(), right = b.slot(), a_value = a.value(),
                 b_value = b.value()](const Tensor& dy) {
                  if (left) {
                    const Tensor da = like(dy);
                    kernels::multiply(dy, b_value, da);
                    left->add(da);
                  }
                  if (right) {
                    const Tensor db = like(dy);
                    kernels::multiply(dy, a_value, db);
                    right->add(db);
                  }
                });
}

Variable scale(const Variable& x, double alpha) {
  const Tensor y = like(x.value());
  kernels::scale(x.value(), alpha, y);
  return record("scale", y, {x}, [slot = x.slot(), alpha](const Tensor& dy) {
    const Tensor dx = like(dy);
    kernels::scale(dy, alpha, dx);
    slot->add(dx);
  });
}

Variable sum(const Variable& x) {
  const Tensor y = Tensor::empty({}, core::accumulator_of(x.dtype()), x.value().device());
  kernels::sum(x.value(), y);
  return record("sum", y, {x}, [slot = x.slot()](const Tensor& dy) {
    const Tensor dx = Tensor::full(slot->shape, 1.0, slot->dtype, slot->device);
    kernels::scale_by(dx, dy, dx);
    slot->add(dx);
  });
}

Variable mean(const Variable& x) {
  return scale(sum(x), 1.0 / static_cast<double>(x.value().size()));
}

Variable dropout(const Variable& x, double p, std::uint64_t seed, std::uint64_t stream,
                 std::uint64_t first) {
  core::check(p >= 0 && p < 1, "dropout", "probability {} is not in [0, 1)", p);
  if (p == 0) return x;
  core::check(first % 4 == 0, "dropout", "element {} is not the first of four", first);
  const Tensor y = like(x.value());
  kernels::dropout(x.value(), p, seed, stream, first, y);
  return record("dropout", y, {x}, [slot = x.slot(), p, seed, stream, first](const Tensor& dy) {
    const Tensor dx = like(dy);
    kernels::dropout(dy, p, seed, stream, first, dx);
    slot->add(dx);
  });
}

}  // namespace unfold::autograd
