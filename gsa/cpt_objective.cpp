#include "gsa/cpt_objective.h"

#include <algorithm>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/smooth_l1.h"
#include "core/kernels/nn.h"

namespace unfold::gsa {

void drop_prefix_targets(const Layout& layout, std::vector<std::int32_t>& targets,
                         std::int32_t ignored) {
  const auto top = static_cast<std::int8_t>(layout.levels - 1);
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const auto begin = static_cast<std::size_t>(row * layout.length);
    // Backwards: once a document's last top-level gist is met, everything before it is prefix. The
    // gist itself predicts the first token of the suffix, so its own target stays.
    std::int32_t document = -1;
    bool in_prefix = false;
    for (auto t = static_cast<std::size_t>(layout.length); t-- > 0;) {
      if (layout.document[begin + t] != document) {
        document = layout.document[begin + t];
        in_prefix = false;
      }
      if (in_prefix) targets[begin + t] = ignored;
      if (top >= 0 && layout.level[begin + t] == top && document >= 0) in_prefix = true;
    }
  }
}

autograd::Variable alignment_sum(const std::vector<autograd::Variable>& gist_blocks,
                                 const std::vector<core::Tensor>& raw_blocks,
                                 const core::Tensor& raw_rows) {
  core::check(!gist_blocks.empty() && gist_blocks.size() == raw_blocks.size(), "alignment",
              "{} gist layers, {} raw layers", gist_blocks.size(), raw_blocks.size());
  autograd::Variable total;
  for (std::size_t layer = 0; layer < gist_blocks.size(); ++layer) {
    const autograd::Variable states = autograd::gather_rows(gist_blocks[layer], raw_rows);
    const core::Tensor target =
        core::Tensor::empty(states.shape(), states.dtype(), states.value().device());
    core::kernels::gather_rows(raw_blocks[layer], raw_rows, target);
    const autograd::Variable loss = autograd::sum(autograd::smooth_l1(states, target));
    total = total.defined() ? autograd::add(total, loss) : loss;
  }
  return autograd::scale(total, 1.0 / static_cast<double>(gist_blocks.size()));
}

}  // namespace unfold::gsa
