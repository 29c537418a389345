// Every kernel of core as a case that runs on any device: for parity of devices, equal bits of two
// runs, and tensors that begin anywhere.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/core/tensor_helpers.h"

namespace unfold::testing {

// Where a case puts its tensors: on a device, and there at the beginning of a block or, unaligned,
// one element behind it, as a view.
struct Place {
  core::Device device;
  bool unaligned = false;

  // An empty tensor.
  Tensor empty(const Shape& shape, DType dtype) const;
  // A copy of a tensor of the host.
  Tensor put(const Tensor& host) const;
  Tensor full(const Shape& shape, double value, DType dtype) const;
};

struct DeviceCase {
  std::string name;
  // Fresh outputs of one call. Inputs are the same numbers on every device, rounded to bfloat16 so
  // that they are the same in every dtype, too.
  std::function<std::vector<Tensor>(DType dtype, const Place& place)> run;
  // The device must give the CPU's bits: the case only moves numbers, or adds them in a given
  // order.
  bool exact = false;
};

std::vector<DeviceCase> device_cases();

}  // namespace unfold::testing
