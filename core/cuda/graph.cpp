#include "core/cuda/graph.h"

#include <cuda_runtime_api.h>

#include "core/cuda/context.h"
#include "core/cuda/status.h"

namespace unfold::core::cuda {

struct Graph::Recorded {
  int device = 0;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;

  Recorded() = default;
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;
  ~Recorded() {
    if (executable != nullptr) {
      cudaDeviceSynchronize();  // it may still run; rare enough
      cudaGraphExecDestroy(executable);
    }
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
};

Graph::Graph() = default;
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

bool Graph::captured() const {
  return recorded_ != nullptr;
}

void Graph::reset() {
  recorded_.reset();
}

void Graph::capture(int device, const std::function<void()>& work) {
  reset();
  Context& context = use(device);
  auto recorded = std::make_unique<Recorded>();
  recorded->device = device;
  // Of this thread alone: others may allocate meanwhile, which another mode would forbid.
  check_status(cudaStreamBeginCapture(context.stream(), cudaStreamCaptureModeThreadLocal),
               "recording a graph");
  try {
    work();
  } catch (...) {
    // The stream has to leave the capture, whatever became of it.
    cudaGraph_t broken = nullptr;
    cudaStreamEndCapture(context.stream(), &broken);
    if (broken != nullptr) cudaGraphDestroy(broken);
    cudaGetLastError();
    throw;
  }
  check_status(cudaStreamEndCapture(context.stream(), &recorded->graph), "recording a graph");
  check_status(cudaGraphInstantiate(&recorded->executable, recorded->graph, 0),
               "making a graph executable");
  recorded_ = std::move(recorded);
}

void Graph::launch() const {
  check_status(cudaGraphLaunch(recorded_->executable, use(recorded_->device).stream()),
               "starting a graph");
}

}  // namespace unfold::core::cuda
