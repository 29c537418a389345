#include <map>
#include <queue>
#include <unordered_set>
#include <vector>

#include "autograd/node.h"
#include "core/kernels/elementwise.h"

namespace unfold::autograd {
namespace {

struct LaterFirst {
  bool operator()(const Node* a, const Node* b) const { return a->sequence < b->sequence; }
};

// Counts, for every leaf below the roots, the nodes that still have to contribute to its gradient.
std::map<GradientSlot*, int> count_leaf_uses(const std::vector<std::shared_ptr<Node>>& roots) {
  std::map<GradientSlot*, int> uses;
  std::unordered_set<Node*> seen;
  std::vector<Node*> open;
  for (const auto& root : roots) {
    if (seen.insert(root.get()).second) open.push_back(root.get());
  }
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    for (const auto& input : node->inputs) {
      Node* producer = input->producer.get();
      if (producer == nullptr) {
        if (input->on_ready) uses[input.get()] += node->adds_to(*input) ? 1 : 0;
      } else if (seen.insert(producer).second) {
        open.push_back(producer);
      }
    }
  }
  return uses;
}

// Runs one node and lets go of what it saved; the gradients of its outputs are consumed.
void run_node(Node& node) {
  std::vector<Tensor> gradients;
  bool any = false;
  for (const auto& output : node.outputs) {
    const auto slot = output.lock();
    gradients.push_back(slot ? slot->gradient : Tensor());
    any = any || gradients.back().defined();
    if (slot) slot->gradient = Tensor();
  }
  core::check(static_cast<bool>(node.backward), "autograd",
              "backward through {} a second time: its saved tensors are gone", node.name);
  if (any) node.backward(gradients);
  node.backward = nullptr;
}

}  // namespace

void backward(const std::vector<Variable>& roots, const std::vector<Tensor>& gradients) {
  core::check(roots.size() == gradients.size(), "autograd", "{} roots, {} gradients", roots.size(),
              gradients.size());
  std::vector<std::shared_ptr<Node>> alive;  // nodes reached so far: their owners may go away
  for (std::size_t i = 0; i < roots.size(); ++i) {
    if (!gradients[i].defined()) continue;
    core::check(roots[i].requires_grad(), "autograd", "backward from a variable without history");
    roots[i].slot()->add(gradients[i]);
    if (roots[i].slot()->producer) alive.push_back(roots[i].slot()->producer);
  }
  const NoGrad no_grad;
  const core::MemoryScope scope(core::MemoryUse::backward);
  std::map<GradientSlot*, int> uses = count_leaf_uses(alive);
  for (const auto& [leaf, count] : uses) {
    if (count == 0) leaf->on_ready(leaf->gradient);
  }
  std::priority_queue<Node*, std::vector<Node*>, LaterFirst> ready;
  std::unordered_set<Node*> queued;
  for (const auto& root : alive) {
    if (queued.insert(root.get()).second) ready.push(root.get());
  }
  while (!ready.empty()) {
    Node* node = ready.top();
    ready.pop();
    run_node(*node);
    for (const auto& input : node->inputs) {
      if (const auto& producer = input->producer) {
        if (queued.insert(producer.get()).second) {
          alive.push_back(producer);
          ready.push(producer.get());
        }
      } else if (const auto use = uses.find(input.get());
                 use != uses.end() && node->adds_to(*input) && --use->second == 0) {
        input->on_ready(input->gradient);
      }
    }
  }
}

void backward(const Variable& root, double seed) {
  core::check(root.value().size() == 1, "autograd", "backward from shape {}: give its gradient",
              core::shown(root.shape()));
  backward(std::vector<Variable>{root},
           {Tensor::full(root.shape(), seed, root.dtype(), root.value().device())});
}

}  // namespace unfold::autograd
