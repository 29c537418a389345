// Variable: a tensor that remembers how it was made, for reverse-mode differentiation.
//
// The tape is a graph of nodes. A node holds a backward function, which captures only the tensors
// it needs, and the gradient slots of its inputs. backward(loss) runs the nodes in reverse order of
// creation, so results do not depend on anything but the program. Gradients accumulate (+=).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace unfold::autograd {

using core::Tensor;

struct Node;

// Where the gradient of one variable collects. Shared by the variable and the nodes that use it.
struct GradientSlot {
  Tensor gradient;  // undefined until the first contribution
  core::Shape shape;
  core::DType dtype = core::DType::float32;
  core::Device device;
  std::shared_ptr<Node> producer;  // null for a leaf
  // Leaves only: called once a backward pass that reaches the leaf, when all contributions are in.
  // The gradient is undefined when no gradient flowed into any use of the leaf.
  std::function<void(const Tensor& gradient)> on_ready;
  // Leaves only, tables of embedding(): where it is set, lookups of a backward pass give it their
  // rows (of the table: ids; gradients: dy) instead of adding them up here, and on_ready does not
  // wait for lookups. Of a leaf that is looked up and nothing else on_ready is called at the start.
  std::function<void(const Tensor& ids, const Tensor& dy)> on_rows;

  // gradient += contribution, rounded to dtype. The first contribution is taken over without a
  // copy; storage that others still hold is never written to.
  void add(const Tensor& contribution);
  // The gradient as a tensor to add into: zeros at first, and shared with nobody.
  Tensor& accumulator();
  // The same, for those who can write as well as add: not initialised, and beta 0, when nothing has
  // come yet; else beta 1. The next thing to happen to it is beta * gradient + contribution.
  Tensor& accumulator(double& beta);
};

class Variable {
 public:
  Variable() = default;
  // A constant (requires_grad false) or a leaf whose gradient is wanted. Gradients of bfloat16
  // leaves (parameters) collect in float32, unless the slot is given another dtype before they are
  // there. The value is contiguous.
  explicit Variable(Tensor value, bool requires_grad = false);

  bool defined() const { return value_.defined(); }
  const Tensor& value() const { return value_; }
  const core::Shape& shape() const { return value_.shape(); }
  std::int64_t dim(std::int64_t index) const { return value_.dim(index); }
  core::DType dtype() const { return value_.dtype(); }

  bool requires_grad() const { return slot_ != nullptr; }
  // Undefined before the first backward pass that reaches this variable.
  const Tensor& gradient() const;
  void clear_gradient();
  const std::shared_ptr<GradientSlot>& slot() const { return slot_; }
  // The same value without history.
  Variable detach() const { return Variable(value_); }

 private:
  friend std::vector<Variable> record(const char*, std::vector<Tensor>,
                                      const std::vector<Variable>&,
                                      std::function<void(const std::vector<Tensor>&)>);
  Tensor value_;
  std::shared_ptr<GradientSlot> slot_;
};

// Computes gradients of everything that `root` (a scalar) depends on. The graph is consumed: saved
// tensors are released as soon as their node has run. `seed` multiplies all gradients.
void backward(const Variable& root, double seed = 1.0);
// The same for any outputs of one graph, given their gradients (undefined: no gradient).
void backward(const std::vector<Variable>& roots, const std::vector<Tensor>& gradients);

// While an instance lives, ops on this thread record nothing (evaluation, generation).
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool previous_;
};
// While an instance lives, ops on this thread record again (inside a NoGrad: activation
// checkpointing uses it to recompute).
class EnableGrad {
 public:
  EnableGrad();
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool previous_;
};
bool grad_enabled();

// For authors of ops (autograd/ops, gsa) ---------------------------------------------------------

// True when an op on these inputs has to save tensors for a backward.
bool needs_grad(const std::vector<Variable>& inputs);

// Wraps the outputs of an op. When needs_grad(inputs), records a node whose backward receives one
// gradient an output (undefined for outputs that nothing used) and must add its contributions to
// input.slot() of the inputs that require grad. Captured Variables must be captured as slots.
std::vector<Variable> record(const char* name, std::vector<Tensor> outputs,
                             const std::vector<Variable>& inputs,
                             std::function<void(const std::vector<Tensor>& gradients)> backward);
// The common case of one output.
Variable record(const char* name, Tensor output, const std::vector<Variable>& inputs,
                std::function<void(const Tensor& gradient)> backward);

}  // namespace unfold::autograd
