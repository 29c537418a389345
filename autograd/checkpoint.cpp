#include "autograd/checkpoint.h"

#include <algorithm>
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
  // In reverse: of a parameter listed twice, the first entry holds the hook.
  ~HoldHooks() {
    for (std::size_t i = slots_.size(); i-- > 0;) slots_[i]->on_ready = std::move(held_[i]);
  }
  HoldHooks(const HoldHooks&) = delete;
  HoldHooks& operator=(const HoldHooks&) = delete;

 private:
  const std::vector<std::shared_ptr<GradientSlot>>& slots_;
  std::vector<std::function<void(const Tensor&)>> held_;
};

// The inputs of the block run again: leaves that stand for the slots of the first run. While the
// inner backward runs, a leaf holds what its slot had collected so far, so that sums are formed in
// the order, and rounded to the dtype, that they would have without checkpointing.
class StandIns {
 public:
  StandIns(const std::vector<Tensor>& values,
           const std::vector<std::shared_ptr<GradientSlot>>& slots) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto before = std::find(slots.begin(), slots.begin() + static_cast<long>(i), slots[i]);
      const auto first = static_cast<std::size_t>(before - slots.begin());
      if (slots[i] && first < i) {  // the same variable given twice is one leaf
        variables_.push_back(variables_[first]);
        continue;
      }
      variables_.emplace_back(values[i], slots[i] != nullptr);
      if (!slots[i]) continue;
      variables_.back().slot()->dtype = slots[i]->dtype;
      pairs_.emplace_back(variables_.back().slot(), slots[i]);
    }
  }
  const std::vector<Variable>& variables() const { return variables_; }
  void take_gradients() {
    for (auto& [leaf, slot] : pairs_) leaf->gradient = std::exchange(slot->gradient, Tensor());
  }
  void give_gradients_back() {
    for (auto& [leaf, slot] : pairs_) {
      Tensor collected = std::exchange(leaf->gradient, Tensor());
      if (!collected.defined()) continue;
      if (slot->gradient.defined()) {  // the block used the same leaf as a parameter, too
        slot->add(collected);
      } else {
        slot->gradient = std::move(collected);
      }
    }
  }

 private:
  std::vector<Variable> variables_;
  std::vector<std::pair<std::shared_ptr<GradientSlot>, std::shared_ptr<GradientSlot>>> pairs_;
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
                  StandIns inputs_again(values, slots);
                  const std::vector<Variable> again = block(inputs_again.variables());
                  std::vector<Tensor> wanted = gradients;
                  for (std::size_t i = 0; i < again.size(); ++i) {
                    // An output that no differentiable input reaches passes no gradient on.
                    if (!again[i].requires_grad()) wanted[i] = Tensor();
                  }
                  const HoldHooks hold(parameter_slots);
                  inputs_again.take_gradients();
                  backward(again, wanted);
                  inputs_again.give_gradients_back();
                });
}

}  // namespace unfold::autograd
