#include "autograd/ops/cross_entropy.h"

#include <algorithm>
#include <vector>

#include "autograd/ops/op.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "core/kernels/reduce.h"
#include "core/meta.h"

namespace unfold::autograd {
namespace {

namespace kernels = core::kernels;

void check_shapes(const Tensor& hidden, const Tensor& head, std::int64_t classes,
                  const Tensor& targets) {
  core::check(hidden.rank() == 2 && head.rank() == 2 && hidden.dim(1) == head.dim(1) &&
                  targets.size() == hidden.dim(0) && classes > 0 && classes <= head.dim(0),
              "cross_entropy", "hidden {}, head {}, {} classes, targets {}",
              core::shown(hidden.shape()), core::shown(head.shape()), classes,
              core::shown(targets.shape()));
  const std::int32_t* target = targets.data<std::int32_t>();
  for (std::int64_t n = 0; n < targets.size(); ++n) {
    core::check(target[n] < classes, "cross_entropy", "target {} at {} of {} classes", target[n], n,
                classes);
  }
}

// The rows that carry a loss, compacted: their positions, hidden states and targets.
struct ValidRows {
  Tensor index;
  Tensor hidden;
  Tensor targets;
};

ValidRows select_valid(const Tensor& hidden, const Tensor& targets) {
  std::vector<std::int32_t> index;
  std::vector<std::int32_t> kept;
  const std::int32_t* target = targets.data<std::int32_t>();
  for (std::int64_t n = 0; n < targets.size(); ++n) {
    if (target[n] < 0) continue;
    index.push_back(static_cast<std::int32_t>(n));
    kept.push_back(target[n]);
  }
  const auto count = static_cast<std::int64_t>(index.size());
  ValidRows rows;
  rows.index = Tensor::from(index, {count}, hidden.device());
  rows.targets = Tensor::from(kept, {count}, hidden.device());
  rows.hidden = Tensor::empty({count, hidden.dim(1)}, hidden.dtype(), hidden.device());
  kernels::gather_rows(hidden, rows.index, rows.hidden);
  return rows;
}

}  // namespace

std::int64_t cross_entropy_rows(core::Device device, core::DType dtype, std::int64_t classes,
                                std::int64_t count) {
  if (!core::like_gpu(device)) return kCrossEntropyRows;
  constexpr std::int64_t kBytes = std::int64_t{256} << 20;
  // Every chunk reads and writes the head's gradient, 8 bytes for 2 operations a row: with fewer
  // rows than this, that takes longer than the product does.
  constexpr std::int64_t kEnough = 2048;
  constexpr std::int64_t kMultiple = 128;
  const auto up = [](std::int64_t value, std::int64_t by) { return (value + by - 1) / by; };
  const std::int64_t row_bytes = classes * static_cast<std::int64_t>(core::size_of(dtype));
  const auto rows_in = [&](std::int64_t bytes) {
    return std::max<std::int64_t>(1, bytes / row_bytes / kMultiple) * kMultiple;
  };
  const std::int64_t most = std::max(rows_in(kBytes), std::min(kEnough, rows_in(2 * kBytes)));
  const std::int64_t chunks = std::max<std::int64_t>(1, up(count, most));
  return std::max<std::int64_t>(1, up(up(count, chunks), kMultiple)) * kMultiple;
}

Variable linear_cross_entropy(const Variable& hidden, const Variable& head, std::int64_t classes,
                              const Tensor& targets) {
  check_shapes(hidden.value(), head.value(), classes, targets);
  const core::MemoryScope scope(core::MemoryUse::loss);
  const bool want_gradient = needs_grad({hidden, head});
  const ValidRows rows = select_valid(hidden.value(), targets);
  const core::Device device = hidden.value().device();
  const core::DType wide = core::accumulator_of(hidden.dtype());
  const std::int64_t count = rows.index.size();
  const std::int64_t width = hidden.dim(1);
  const Tensor weight = head.value().slice(0, 0, classes);
  const Tensor losses = Tensor::empty({count}, wide, device);
  Tensor dhidden;
  Tensor dhead;
  if (want_gradient) {
    dhidden = Tensor::empty({count, width}, hidden.dtype(), device);
    // All rows of the head: what becomes a parameter's gradient without a copy.
    const bool becomes_gradient = head.slot() && !head.slot()->gradient.defined();
    const core::MemoryScope kept(becomes_gradient ? core::MemoryUse::gradients
                                                  : core::MemoryUse::loss);
    dhead = Tensor::empty({head.dim(0), width}, wide, device);
    kernels::fill(count > 0 ? dhead.slice(0, classes, head.dim(0)) : dhead, 0);
  }
  const std::int64_t chunk = cross_entropy_rows(device, hidden.dtype(), classes, count);
  const Tensor buffer = Tensor::empty({std::min(count, chunk), classes}, hidden.dtype(), device);
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    const std::int64_t end = std::min(count, begin + chunk);
    const Tensor logits = buffer.slice(0, 0, end - begin);
    const Tensor states = rows.hidden.slice(0, begin, end);
    kernels::matmul(states, false, weight, true, 1.0, 0.0, logits);
    kernels::cross_entropy(logits, rows.targets.slice(0, begin, end), want_gradient,
                           losses.slice(0, begin, end));
    if (!want_gradient) continue;
    kernels::matmul(logits, false, weight, false, 1.0, 0.0, dhidden.slice(0, begin, end));
    kernels::matmul(logits, true, states, false, 1.0, begin > 0 ? 1.0 : 0.0,
                    dhead.slice(0, 0, classes));
  }
  const Tensor total = Tensor::empty({}, wide, device);
  kernels::sum(losses, total);
  return record("linear_cross_entropy", total, {hidden, head},
                [hidden_slot = hidden.slot(), head_slot = head.slot(), dhidden, dhead,
                 index = rows.index, classes](const Tensor& dy) {
                  if (hidden_slot) {
                    kernels::scale_by(dhidden, dy, dhidden);
                    add_in_accumulator(*hidden_slot, [&](const Tensor& target) {
                      kernels::scatter_add_rows(dhidden, index, target);
                    });
                  }
                  if (head_slot && !head_slot->gradient.defined()) {
                    kernels::scale_by(dhead, dy, dhead);
                    head_slot->add(dhead);
                  } else if (head_slot) {
                    add_in_accumulator(*head_slot, [&](const Tensor& target) {
                      kernels::accumulate_by(dhead.slice(0, 0, classes), dy,
                                             target.slice(0, 0, classes));
                    });
                  }
                });
}

Tensor token_losses(const Tensor& hidden, const Tensor& head, std::int64_t classes,
                    const Tensor& targets) {
  check_shapes(hidden, head, classes, targets);
  const core::DType wide = core::accumulator_of(hidden.dtype());
  const Tensor result = Tensor::zeros({hidden.dim(0), 1}, wide, hidden.device());
  const ValidRows rows = select_valid(hidden, targets);
  const std::int64_t count = rows.index.size();
  const Tensor weight = head.slice(0, 0, classes);
  const Tensor losses = Tensor::empty({count, 1}, wide, hidden.device());
  const std::int64_t chunk = cross_entropy_rows(hidden.device(), hidden.dtype(), classes, count);
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    const std::int64_t end = std::min(count, begin + chunk);
    const Tensor logits = Tensor::empty({end - begin, classes}, hidden.dtype(), hidden.device());
    kernels::matmul(rows.hidden.slice(0, begin, end), false, weight, true, 1.0, 0.0, logits);
    kernels::cross_entropy(logits, rows.targets.slice(0, begin, end), false,
                           losses.slice(0, begin, end));
  }
  kernels::scatter_add_rows(losses, rows.index, result);
  return result.reshape({hidden.dim(0)});
}

}  // namespace unfold::autograd
