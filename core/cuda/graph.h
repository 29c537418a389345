// Work of a device that is recorded once and started as a whole: a CUDA graph. Starting a kernel
// from the host takes longer than a small kernel runs; starting a graph takes as long as one
// kernel. A build without CUDA links core/cuda_graph_stub.cpp.
#pragma once

#include <functional>
#include <memory>

#include "core/device.h"

namespace unfold::core::cuda {

class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  // Records what `work` gives to the device's stream; none of it runs. `work` may only start
  // kernels and copies on the device: it must not allocate, wait, or copy from or to the host.
  // Every kernel has run once before, so that its code is loaded. All memory it touches has to stay
  // as long as the graph is launched, and so do arguments: what changes from launch to launch is
  // read from memory.
  void capture(int device, const std::function<void()>& work);
  bool captured() const;
  // Runs it, in the stream.
  void launch() const;
  void reset();

 private:
  struct Recorded;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace unfold::core::cuda
