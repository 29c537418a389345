#include "autograd/variable.h"

#include <atomic>
#include <utility>

#include "autograd/node.h"
#include "core/kernels/elementwise.h"

namespace unfold::autograd {
namespace {

thread_local bool g_grad_enabled = true;
// One counter for all threads: a graph may be built by several, and consumers come after producers.
std::atomic<std::uint64_t> g_sequence{0};

}  // namespace

void GradientSlot::add(const Tensor& contribution) {
  core::check(contribution.shape() == shape, "autograd", "gradient of shape {} for a value of {}",
              core::shown(contribution.shape()), core::shown(shape));
  const Tensor rounded = contribution.to(dtype).contiguous();
  if (!gradient.defined()) {
    gradient = rounded;
  } else if (gradient.owns_alone()) {
    core::kernels::accumulate(rounded, 1.0, gradient);
  } else {
    const Tensor total = Tensor::empty(shape, dtype, device);
    core::kernels::add(gradient, rounded, total);
    gradient = total;
  }
}

Tensor& GradientSlot::accumulator() {
  double beta = 1;
  accumulator(beta);
  if (beta == 0) core::kernels::fill(gradient, 0);
  return gradient;
}

Tensor& GradientSlot::accumulator(double& beta) {
  const core::MemoryScope scope(producer ? core::memory_use() : core::MemoryUse::gradients);
  beta = gradient.defined() ? 1 : 0;
  if (!gradient.defined()) {
    gradient = Tensor::empty(shape, dtype, device);
  } else if (!gradient.owns_alone()) {
    gradient = gradient.clone();
  }
  return gradient;
}

Variable::Variable(Tensor value, bool requires_grad) : value_(std::move(value)) {
  core::check(value_.is_contiguous(), "autograd",
              "a variable of shape {} is a strided view: ops take contiguous tensors",
              core::shown(value_.shape()));
  if (!requires_grad) return;
  core::check(core::is_floating(value_.dtype()), "autograd", "{} cannot require a gradient",
              core::name_of(value_.dtype()));
  slot_ = std::make_shared<GradientSlot>();
  slot_->shape = value_.shape();
  slot_->dtype = core::accumulator_of(value_.dtype());
  slot_->device = value_.device();
}

const Tensor& Variable::gradient() const {
  core::check(slot_ != nullptr, "autograd", "gradient of a variable that does not require one");
  return slot_->gradient;
}

void Variable::clear_gradient() {
  if (slot_) slot_->gradient = Tensor();
}

NoGrad::NoGrad() : previous_(std::exchange(g_grad_enabled, false)) {}
NoGrad::~NoGrad() {
  g_grad_enabled = previous_;
}
EnableGrad::EnableGrad() : previous_(std::exchange(g_grad_enabled, true)) {}
EnableGrad::~EnableGrad() {
  g_grad_enabled = previous_;
}
bool grad_enabled() {
  return g_grad_enabled;
}

bool needs_grad(const std::vector<Variable>& inputs) {
  if (!g_grad_enabled) return false;
  for (const Variable& input : inputs) {
    if (input.requires_grad()) return true;
  }
  return false;
}

std::vector<Variable> record(const char* name, std::vector<Tensor> outputs,
                             const std::vector<Variable>& inputs,
                             std::function<void(const std::vector<Tensor>&)> backward) {
  std::vector<Variable> results;
  results.reserve(outputs.size());
  const bool wanted = needs_grad(inputs);
  for (Tensor& output : outputs) results.emplace_back(std::move(output), wanted);
  if (!wanted) return results;
  auto node = std::make_shared<Node>();
  node->name = name;
  node->sequence = g_sequence++;
  node->backward = std::move(backward);
  for (const Variable& input : inputs) {
    if (input.requires_grad()) node->inputs.push_back(input.slot());
  }
  for (Variable& result : results) {
    result.slot_->producer = node;
    result.slot_->dtype = result.dtype();
    node->outputs.push_back(result.slot_);
  }
  return results;
}

Variable record(const char* name, Tensor output, const std::vector<Variable>& inputs,
                std::function<void(const Tensor&)> backward) {
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(output));
  return record(name, std::move(outputs), inputs,
                [function = std::move(backward)](const std::vector<Tensor>& gradients) {
                  function(gradients[0]);
                })[0];
}

}  // namespace unfold::autograd
