// cuDNN's fused causal attention, forward and backward, as graphs that are built once a shape and
// kept. cudnn_graph.cpp alone includes cudnn_frontend.h.
//
// bfloat16, sums in float32, scores scaled by 1 / sqrt(width). The backward is cuDNN's
// deterministic one: on Hopper it keeps the gradient of all scores of a call in its workspace,
// sequences * heads * length^2 bfloat16 values, so callers bound what they give to one call.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/cuda/context.h"

namespace unfold::gsa::kernels::cuda {

enum class CudnnPass { forward, backward };

// Where the sequences of a call stand.
//   rows     `length` tokens each, one sequence directly behind the other; log-sum-exps are
//            (sequences, heads, length)
//   ragged   up to `length` tokens each, anywhere: CudnnOperands gives lengths and places;
//            log-sum-exps are (tokens, heads)
enum class CudnnPlaces { rows, ragged };

// Query head h reads key and value head h / (heads / kv_heads). Heads stand `width` elements apart.
struct CudnnShape {
  CudnnPlaces places = CudnnPlaces::rows;
  std::int64_t sequences = 1;
  std::int64_t length = 1;
  std::int64_t heads = 1;
  std::int64_t kv_heads = 1;
  std::int64_t width = 64;
  std::int64_t qkv_stride = 0;  // elements from a token to the next: queries, keys, values, and
                                // their gradients
  std::int64_t out_stride = 0;  // the same of out and its gradient
  auto operator<=>(const CudnnShape&) const = default;
};

// Device pointers, 16-byte aligned. Everything but the gradients' and out of the forward is read.
struct CudnnOperands {
  void* query = nullptr;
  void* key = nullptr;
  void* value = nullptr;
  void* out = nullptr;
  void* lse = nullptr;  // float32; written by the forward
  // Backward only.
  void* dout = nullptr;
  void* dquery = nullptr;
  void* dkey = nullptr;
  void* dvalue = nullptr;
  // Ragged places only, int32: tokens of each sequence, and (sequences + 1) elements from the
  // pointers above to its first token.
  void* lengths = nullptr;
  void* qkv_offsets = nullptr;
  void* out_offsets = nullptr;
  void* lse_offsets = nullptr;
};

class CudnnGraph {
 public:
  virtual ~CudnnGraph() = default;
  virtual std::size_t workspace_bytes() const = 0;
  // In the stream of the graph's device. workspace: workspace_bytes(), 16-byte aligned.
  // Throws core::InternalError when cuDNN fails.
  virtual void run(const CudnnOperands& operands, void* workspace) const = 0;
};

// The graph of a shape on a device; nullptr where cuDNN has none or does not start, which it says
// once in a log line.
// Throws core::InternalError when the shape makes no sense to cuDNN.
std::shared_ptr<const CudnnGraph> cudnn_graph(const core::cuda::Context& context, CudnnPass pass,
                                              const CudnnShape& shape);

}  // namespace unfold::gsa::kernels::cuda
