#include "autograd/checkpoint.h"

#include <utility>

namespace unfold::autograd {
namespace {

// While the inner backward of a checkpoint runs, hooks of the parameters are held back: the outer
// pass, which lists them as inputs of the checkpoint's node, fires them when all uses are in.
class HoldHooks {
 public:
  explicit HoldHooks(const std::vector<std::shared_ptr<GradientSlot>>& slots) : slots_(slots) {
    for (const auto& slot : slots_) held_.push_back(std::exchange(slot->on_ready, nullptr));
  }
  ~HoldHooks() {
    for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i]->on_ready = std::move(held_[i]);
  }
  HoldHooks(const HoldHooks&) = delete;
  HoldHooks& operator=(const HoldHooks&) = delete;

 private:
  const std::vector<std::shared_ptr<GradientSlot>>& slots_;
  std::vector<std::function<void(const Tensor&)>> held_;
};

}  // namespace

std::vector<Variable> checkpoint(
    const std::function<std::vector<Variable>(const std::vector<Variable>&)>& block,
    const std::vector<Variable>& inputs, const std::vector<Variable>& parameters) {
  std::vector<Tensor> outputs;
  {
    const NoGrad no_grad;
    for (const Variable& output : block(inputs)) outputs.push_back(output.value());
  }
  std::vector<Variable> all = inputs;
  all.insert(all.end(), parameters.begin(), parameters.end());
  std::vector<Tensor> values;
  std::vector<std::shared_ptr<GradientSlot>> slots;
  for (const Variable& input : inputs) {
    values.push_back(input.value());
    slots.push_back(input.slot());
  }
  std::vector<std::shared_ptr<GradientSlot>> parameter_slots;
  for (const Variable& parameter : parameters) {
    if (parameter.requires_grad()) parameter_slots.push_back(parameter.slot());
  }
  return record("checkpoint", std::move(outputs), all,
                [block, values, slots, parameter_slots](const std::vector<Tensor>& gradients) {
                  const EnableGrad enable;
                  std::vector<Variable> fresh;
                  for (std::size_t i = 0; i < values.size(); ++i) {
                    fresh.emplace_back(values[i], slots[i] != nullptr);
                  }
                  const std::vector<Variable> again = block(fresh);
                  const HoldHooks hold(parameter_slots);
                  backward(again, gradients);
                  for (std::size_t i = 0; i < fresh.size(); ++i) {
                    if (slots[i] && fresh[i].gradient().defined()) {
                      slots[i]->add(fresh[i].gradient());
                    }
                  }
                });
}

}  // namespace unfold::autograd
