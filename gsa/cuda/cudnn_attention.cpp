#include "gsa/cuda/cudnn_attention.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/cuda/context.h"
#include "core/kernels/elementwise.h"
#include "core/log.h"
#include "gsa/cuda/cudnn_documents.h"
#include "gsa/cuda/cudnn_graph.h"

namespace unfold::gsa::kernels::cuda {
namespace {

using core::Tensor;

bool wanted() {
  const char* const setting = std::getenv("UNFOLD_CUDNN");
  return setting == nullptr || std::string_view(setting) != "0";
}

bool is_aligned(const Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.raw()) % 16 == 0;
}

// Head widths of models, in steps that keep every head at a multiple of 32 bytes.
bool fits(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map) {
  return !map.causal_documents.empty() && qkv.dtype() == core::DType::bfloat16 &&
         shape.width % 16 == 0 && shape.width >= 64 && shape.width <= 128 && wanted() &&
         core::cuda::use(qkv.device().index).properties().major >= 8;
}

// Rows of one length come in every step of a training run and have graphs of their own. Other
// lengths than cuDNN's blocks fill are for ragged places: cuDNN up to 9.15 would need lengths for
// them as well, and the next prompt has another length, which a graph rounded up serves, too.
bool as_rows(const BlockMap& map) {
  return map.causal_rows() && map.length() % 128 == 0;
}

bool offsets_fit(const AttentionShape& shape, const BlockMap& map) {
  return map.rows() * map.length() * shape.qkv_width() < (std::int64_t{1} << 31);
}

// A pointer `elements` into a tensor.
template <typename T>
void* at(const Tensor& tensor, std::int64_t elements) {
  return tensor.data<T>() + elements;
}

// Some rows of a fused tensor, and some of its heads, beginning with those of a key head.
CudnnOperands operands_of(const Tensor& qkv, const Tensor& out, const AttentionShape& shape,
                          std::int64_t token, std::int64_t kv_head) {
  using T = core::bfloat16;
  const std::int64_t row = token * shape.qkv_width();
  const std::int64_t head = kv_head * shape.group();
  CudnnOperands operands;
  operands.query = at<T>(qkv, row + head * shape.width);
  operands.key = at<T>(qkv, row + (shape.heads + kv_head) * shape.width);
  operands.value = at<T>(qkv, row + (shape.heads + shape.kv_heads + kv_head) * shape.width);
  operands.out = at<T>(out, token * shape.out_width() + head * shape.width);
  return operands;
}

void add_gradients(CudnnOperands& operands, const Tensor& dqkv, const Tensor& dout,
                   const AttentionShape& shape, std::int64_t token, std::int64_t kv_head) {
  const CudnnOperands gradients = operands_of(dqkv, dout, shape, token, kv_head);
  operands.dquery = gradients.query;
  operands.dkey = gradients.key;
  operands.dvalue = gradients.value;
  operands.dout = gradients.out;
}

void run(const CudnnGraph& graph, const CudnnOperands& operands, core::Device device) {
  const auto bytes = static_cast<std::int64_t>(graph.workspace_bytes());
  if (bytes == 0) {
    graph.run(operands, nullptr);
    return;
  }
  const Tensor workspace = Tensor::empty({bytes}, core::DType::uint8, device);
  graph.run(operands, workspace.raw());
}

CudnnShape shape_of(const AttentionShape& shape, CudnnPlaces places, std::int64_t sequences,
                    std::int64_t length) {
  return {places,      sequences,         length,           shape.heads, shape.kv_heads,
          shape.width, shape.qkv_width(), shape.out_width()};
}

// Log-sum-exps (tokens, heads) as cuDNN has those of rows: (rows, heads, length).
Tensor by_heads(const Tensor& lse, const BlockMap& map) {
  return lse.reshape({map.rows(), map.length(), lse.dim(1)}).transpose(1, 2);
}

bool rows_forward(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                  const Tensor& out, const Tensor& lse) {
  const auto graph = cudnn_graph(core::cuda::use(qkv.device().index), CudnnPass::forward,
                                 shape_of(shape, CudnnPlaces::rows, map.rows(), map.length()));
  if (graph == nullptr) return false;
  const Tensor packed =
      Tensor::empty({map.rows(), shape.heads, map.length()}, core::DType::float32, qkv.device());
  CudnnOperands operands = operands_of(qkv, out, shape, 0, 0);
  operands.lse = packed.raw();
  run(*graph, operands, qkv.device());
  core::kernels::copy(packed, by_heads(lse, map));
  return true;
}

// What one call of the backward takes of a batch of rows, so that what it keeps is bounded.
struct Part {
  std::int64_t rows;
  std::int64_t kv_heads;
};

std::int64_t largest_divisor(std::int64_t number, std::int64_t most) {
  for (std::int64_t divisor = std::clamp<std::int64_t>(most, 1, number); divisor > 1; --divisor) {
    if (number % divisor == 0) return divisor;
  }
  return 1;
}

Part part_of(const AttentionShape& shape, const BlockMap& map) {
  const std::int64_t row_bytes = score_bytes(shape.heads, map.length());
  const std::int64_t rows = largest_divisor(map.rows(), kScoreBytes / row_bytes);
  if (row_bytes <= kScoreBytes) return {rows, shape.kv_heads};
  const std::int64_t head_bytes = score_bytes(shape.group(), map.length());
  return {1, largest_divisor(shape.kv_heads, kScoreBytes / head_bytes)};
}

// Says once that documents are too long for cuDNN's backward.
bool too_long(std::int64_t heads, std::int64_t length) {
  if (score_bytes(heads, length) <= kMostScoreBytes) return false;
  static std::atomic<bool> said = false;
  if (!said.exchange(true)) {
    core::log::info(
        "attention: own kernels for the backward of {} tokens: cuDNN's would keep {} MiB", length,
        score_bytes(heads, length) >> 20);
  }
  return true;
}

bool rows_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                   const AttentionShape& shape, const BlockMap& map, const Tensor& dqkv) {
  const Part part = part_of(shape, map);
  const std::int64_t part_heads = part.kv_heads * shape.group();
  if (too_long(part_heads, map.length())) return false;
  CudnnShape wanted_shape = shape_of(shape, CudnnPlaces::rows, part.rows, map.length());
  wanted_shape.heads = part_heads;
  wanted_shape.kv_heads = part.kv_heads;
  const auto graph =
      cudnn_graph(core::cuda::use(qkv.device().index), CudnnPass::backward, wanted_shape);
  if (graph == nullptr) return false;
  const Tensor packed =
      Tensor::empty({map.rows(), shape.heads, map.length()}, core::DType::float32, qkv.device());
  core::kernels::copy(by_heads(lse, map), packed);
  for (std::int64_t row = 0; row < map.rows(); row += part.rows) {
    for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; kv_head += part.kv_heads) {
      const std::int64_t token = row * map.length();
      CudnnOperands operands = operands_of(qkv, out, shape, token, kv_head);
      add_gradients(operands, dqkv, dout, shape, token, kv_head);
      operands.lse =
          at<float>(packed, (row * shape.heads + kv_head * shape.group()) * map.length());
      run(*graph, operands, qkv.device());
    }
  }
  return true;
}

// The graphs of all batches; none when one of them is missing.
std::vector<std::shared_ptr<const CudnnGraph>> batch_graphs(const CudnnDocuments& documents,
                                                            const AttentionShape& shape,
                                                            CudnnPass pass, core::Device device) {
  std::vector<std::shared_ptr<const CudnnGraph>> graphs;
  for (const DocumentBatch& batch : documents.batches) {
    if (pass == CudnnPass::backward && too_long(batch.sequences * shape.heads, batch.length)) {
      return {};
    }
    graphs.push_back(
        cudnn_graph(core::cuda::use(device.index), pass,
                    shape_of(shape, CudnnPlaces::ragged, batch.sequences, batch.length)));
    if (graphs.back() == nullptr) return {};
  }
  return graphs;
}

void add_places(CudnnOperands& operands, const CudnnDocuments& documents,
                const DocumentBatch& batch) {
  operands.lengths = at<std::int32_t>(documents.indices, batch.lengths);
  operands.qkv_offsets = at<std::int32_t>(documents.indices, batch.qkv_offsets);
  operands.out_offsets = at<std::int32_t>(documents.indices, batch.out_offsets);
  operands.lse_offsets = at<std::int32_t>(documents.indices, batch.lse_offsets);
}

bool documents_forward(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                       const Tensor& out, const Tensor& lse) {
  const auto documents = cudnn_documents(map, shape, qkv.device());
  const auto graphs = batch_graphs(*documents, shape, CudnnPass::forward, qkv.device());
  if (graphs.empty()) return false;
  CudnnOperands operands = operands_of(qkv, out, shape, 0, 0);
  operands.lse = lse.raw();
  for (std::size_t i = 0; i < graphs.size(); ++i) {
    add_places(operands, *documents, documents->batches[i]);
    run(*graphs[i], operands, qkv.device());
  }
  attend_padding(documents->padding, qkv, shape, out, lse);
  return true;
}

bool documents_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const BlockMap& map, const Tensor& dqkv) {
  const auto documents = cudnn_documents(map, shape, qkv.device());
  const auto graphs = batch_graphs(*documents, shape, CudnnPass::backward, qkv.device());
  if (graphs.empty()) return false;
  CudnnOperands operands = operands_of(qkv, out, shape, 0, 0);
  add_gradients(operands, dqkv, dout, shape, 0, 0);
  operands.lse = lse.raw();
  for (std::size_t i = 0; i < graphs.size(); ++i) {
    add_places(operands, *documents, documents->batches[i]);
    run(*graphs[i], operands, qkv.device());
  }
  attend_padding_backward(documents->padding, dout, shape, dqkv);
  return true;
}

}  // namespace

bool cudnn_attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
                     const Tensor& out, const Tensor& lse) {
  if (!fits(qkv, shape, map) || !is_aligned(qkv) || !is_aligned(out) || !is_aligned(lse)) {
    return false;
  }
  if (as_rows(map)) return rows_forward(qkv, shape, map, out, lse);
  return offsets_fit(shape, map) && documents_forward(qkv, shape, map, out, lse);
}

bool cudnn_attention_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out,
                              const Tensor& lse, const AttentionShape& shape, const BlockMap& map,
                              const Tensor& dqkv) {
  if (!fits(qkv, shape, map) || !is_aligned(dout) || !is_aligned(qkv) || !is_aligned(out) ||
      !is_aligned(lse) || !is_aligned(dqkv)) {
    return false;
  }
  if (as_rows(map)) return rows_backward(dout, qkv, out, lse, shape, map, dqkv);
  return offsets_fit(shape, map) && documents_backward(dout, qkv, out, lse, shape, map, dqkv);
}

}  // namespace unfold::gsa::kernels::cuda
