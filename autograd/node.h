// Node: one recorded operation. Used by autograd itself; ops go through record() (variable.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "autograd/variable.h"

namespace unfold::autograd {

struct Node {
  const char* name = "";
  std::uint64_t sequence = 0;  // order of creation
  std::vector<std::shared_ptr<GradientSlot>> inputs;
  std::vector<std::weak_ptr<GradientSlot>> outputs;  // weak: a variable owns its producer
  std::function<void(const std::vector<Tensor>&)> backward;
  bool lookup = false;  // embedding(): its input is the table

  // Whether it has to be waited for before the gradient of a leaf it uses is ready.
  bool adds_to(const GradientSlot& leaf) const { return !lookup || !leaf.on_rows; }
};

}  // namespace unfold::autograd
