// Stands in for core/cuda/graph.cpp in a build without CUDA.
#include "core/cuda/graph.h"
#include "core/error.h"

namespace unfold::core::cuda {

struct Graph::Recorded {};

Graph::Graph() = default;
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

bool Graph::captured() const {
  return false;
}
void Graph::capture(int, const std::function<void()>&) {
  fail("cuda", "this program was built without CUDA: use the CPU");
}
void Graph::launch() const {}
void Graph::reset() {}

}  // namespace unfold::core::cuda
