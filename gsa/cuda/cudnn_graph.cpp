#include "gsa/cuda/cudnn_graph.h"

#include <cmath>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/log.h"

#define CUDNN_FRONTEND_SKIP_JSON_LIB  // graphs are not serialised
#include <cudnn_frontend.h>

namespace unfold::gsa::kernels::cuda {
namespace {

namespace fe = cudnn_frontend;
using fe::error_code_t;
using fe::graph::Tensor_attributes;
using Value = std::shared_ptr<Tensor_attributes>;

// Graphs kept a device. A training run needs a handful; prompts of many lengths share theirs.
constexpr std::size_t kMostGraphs = 512;

enum Uid : std::int64_t {
  kQuery = 1,
  kKey,
  kValue,
  kOut,
  kLse,
  kDout,
  kDquery,
  kDkey,
  kDvalue,
  kLengths,
  kQkvOffsets,
  kOutOffsets,
  kLseOffsets,
};

// What a shape gives to both passes: its values, and where ragged sequences stand.
class Values {
 public:
  Values(fe::graph::Graph& graph, const CudnnShape& shape) : graph_(graph), shape_(shape) {
    if (!ragged()) return;
    lengths_ = index(kLengths, "lengths", shape.sequences);
    qkv_offsets_ = index(kQkvOffsets, "qkv_offsets", shape.sequences + 1);
    out_offsets_ = index(kOutOffsets, "out_offsets", shape.sequences + 1);
    lse_offsets_ = index(kLseOffsets, "lse_offsets", shape.sequences + 1);
  }

  bool ragged() const { return shape_.places == CudnnPlaces::ragged; }
  const Value& lengths() const { return lengths_; }

  Value query() { return read(kQuery, "query", shape_.heads, shape_.qkv_stride, qkv_offsets_); }
  Value key() { return read(kKey, "key", shape_.kv_heads, shape_.qkv_stride, qkv_offsets_); }
  Value value() { return read(kValue, "value", shape_.kv_heads, shape_.qkv_stride, qkv_offsets_); }
  Value out() { return read(kOut, "out", shape_.heads, shape_.out_stride, out_offsets_); }
  Value dout() { return read(kDout, "dout", shape_.heads, shape_.out_stride, out_offsets_); }
  Value lse() {
    Value lse = graph_.tensor(Tensor_attributes().set_name("lse"));
    describe_lse(*lse);
    return lse;
  }

  void write_out(const Value& out) const {
    describe(*out, kOut, shape_.heads, shape_.out_stride, out_offsets_);
    out->set_output(true);
  }
  void write_lse(const Value& lse) const {
    describe_lse(*lse);
    lse->set_output(true);
  }
  // Of the query, key or value heads.
  void write_gradient(const Value& gradient, Uid uid, std::int64_t heads) const {
    describe(*gradient, uid, heads, shape_.qkv_stride, qkv_offsets_);
    gradient->set_output(true);
  }

 private:
  // (sequences, heads, length, width)
  void describe(Tensor_attributes& value, Uid uid, std::int64_t heads, std::int64_t stride,
                const Value& offsets) const {
    value.set_uid(uid)
        .set_data_type(fe::DataType_t::BFLOAT16)
        .set_dim({shape_.sequences, heads, shape_.length, shape_.width})
        .set_stride({shape_.length * stride, shape_.width, stride, 1});
    if (ragged()) value.set_ragged_offset(offsets);
  }
  void describe_lse(Tensor_attributes& lse) const {
    const std::int64_t heads = shape_.heads;
    const std::int64_t length = shape_.length;
    lse.set_uid(kLse)
        .set_data_type(fe::DataType_t::FLOAT)
        .set_dim({shape_.sequences, heads, length, 1});
    if (ragged()) {
      lse.set_stride({heads * length, 1, heads, 1}).set_ragged_offset(lse_offsets_);
    } else {
      lse.set_stride({heads * length, length, 1, 1});
    }
  }
  Value read(Uid uid, const char* name, std::int64_t heads, std::int64_t stride,
             const Value& offsets) {
    Value value = graph_.tensor(Tensor_attributes().set_name(name));
    describe(*value, uid, heads, stride, offsets);
    return value;
  }
  Value index(Uid uid, const char* name, std::int64_t count) {
    return graph_.tensor(Tensor_attributes()
                             .set_name(name)
                             .set_uid(uid)
                             .set_data_type(fe::DataType_t::INT32)
                             .set_dim({count, 1, 1, 1})
                             .set_stride({1, 1, 1, 1}));
  }

  fe::graph::Graph& graph_;
  const CudnnShape& shape_;
  Value lengths_, qkv_offsets_, out_offsets_, lse_offsets_;
};

// What both passes set alike.
template <typename Attributes>
Attributes causal_attention(const Values& values, const CudnnShape& shape) {
  Attributes attributes;
  attributes.set_name("attention")
      .set_attn_scale(static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.width))))
      .set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT)
      .set_diagonal_band_right_bound(0);
  if (values.ragged()) {
    attributes.set_padding_mask(true)
        .set_seq_len_q(values.lengths())
        .set_seq_len_kv(values.lengths());
  }
  return attributes;
}

void describe_forward(fe::graph::Graph& graph, const CudnnShape& shape) {
  Values values(graph, shape);
  auto attributes = causal_attention<fe::graph::SDPA_attributes>(values, shape);
  attributes.set_generate_stats(true);
  const auto [out, lse] =
      graph.sdpa(values.query(), values.key(), values.value(), std::move(attributes));
  values.write_out(out);
  values.write_lse(lse);
}

void describe_backward(fe::graph::Graph& graph, const CudnnShape& shape) {
  Values values(graph, shape);
  auto attributes = causal_attention<fe::graph::SDPA_backward_attributes>(values, shape);
  attributes.set_deterministic_algorithm(true);
  const auto [dquery, dkey, dvalue] =
      graph.sdpa_backward(values.query(), values.key(), values.value(), values.out(), values.dout(),
                          values.lse(), std::move(attributes));
  values.write_gradient(dquery, kDquery, shape.heads);
  values.write_gradient(dkey, kDkey, shape.kv_heads);
  values.write_gradient(dvalue, kDvalue, shape.kv_heads);
}

// cuDNN on one device: its handle and the graphs built so far. Calls come one at a time.
class Cudnn {
 public:
  // Made when the device first attends, kept until the process ends.
  static Cudnn& of(const core::cuda::Context& context) {
    static std::mutex mutex;
    static auto& all = *new std::map<int, std::unique_ptr<Cudnn>>;  // outlives main()
    const std::lock_guard lock(mutex);
    std::unique_ptr<Cudnn>& cudnn = all[context.device()];
    if (cudnn == nullptr) cudnn = std::make_unique<Cudnn>(context);
    return *cudnn;
  }

  explicit Cudnn(const core::cuda::Context& context)
      : sm_version_(context.properties().major * 10 + context.properties().minor) {
    cudnnStatus_t status = cudnnCreate(&handle_);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnSetStream(handle_, context.stream());
    if (status == CUDNN_STATUS_SUCCESS) return;
    core::log::warning("attention: own kernels, because cuDNN {} does not start: {}",
                       cudnnGetVersion(), cudnnGetErrorString(status));
    handle_ = nullptr;
  }
  Cudnn(const Cudnn&) = delete;
  Cudnn& operator=(const Cudnn&) = delete;

  std::shared_ptr<const CudnnGraph> graph(CudnnPass pass, const CudnnShape& shape) {
    if (handle_ == nullptr) return nullptr;
    const std::lock_guard lock(mutex_);
    const auto key = std::pair(pass, shape);
    const auto found = graphs_.find(key);
    if (found != graphs_.end()) return found->second;
    if (graphs_.size() >= kMostGraphs) graphs_.clear();
    return graphs_.emplace(key, build(pass, shape)).first->second;
  }

  void execute(const fe::graph::Graph& graph, const CudnnOperands& operands, void* workspace) {
    std::unordered_map<std::int64_t, void*> pointers = {{kQuery, operands.query},
                                                        {kKey, operands.key},
                                                        {kValue, operands.value},
                                                        {kOut, operands.out},
                                                        {kLse, operands.lse},
                                                        {kDout, operands.dout},
                                                        {kDquery, operands.dquery},
                                                        {kDkey, operands.dkey},
                                                        {kDvalue, operands.dvalue},
                                                        {kLengths, operands.lengths},
                                                        {kQkvOffsets, operands.qkv_offsets},
                                                        {kOutOffsets, operands.out_offsets},
                                                        {kLseOffsets, operands.lse_offsets}};
    const std::lock_guard lock(mutex_);
    auto status = graph.execute(handle_, pointers, workspace);
    core::check(status.is_good(), "cudnn", "attention failed: {}", status.get_message());
  }

 private:
  std::shared_ptr<const CudnnGraph> build(CudnnPass pass, const CudnnShape& shape);

  int sm_version_;
  cudnnHandle_t handle_ = nullptr;  // none where cuDNN does not start
  std::mutex mutex_;
  std::map<std::pair<CudnnPass, CudnnShape>, std::shared_ptr<const CudnnGraph>> graphs_;
};

class BuiltGraph : public CudnnGraph {
 public:
  BuiltGraph(Cudnn& cudnn, std::shared_ptr<fe::graph::Graph> graph, std::size_t workspace)
      : cudnn_(cudnn), graph_(std::move(graph)), workspace_(workspace) {}
  std::size_t workspace_bytes() const override { return workspace_; }
  void run(const CudnnOperands& operands, void* workspace) const override {
    cudnn_.execute(*graph_, operands, workspace);
  }

 private:
  Cudnn& cudnn_;
  std::shared_ptr<fe::graph::Graph> graph_;
  std::size_t workspace_;
};

// Codes that name a mistake of ours, not something that this cuDNN or this GPU cannot do.
bool is_our_mistake(error_code_t code) {
  return code == error_code_t::ATTRIBUTE_NOT_SET || code == error_code_t::SHAPE_DEDUCTION_FAILED ||
         code == error_code_t::INVALID_TENSOR_NAME || code == error_code_t::INVALID_VALUE;
}

std::string describe(CudnnPass pass, const CudnnShape& shape) {
  return fmt::format("{}{} of {} x {} tokens, {}/{} heads of {}",
                     shape.places == CudnnPlaces::ragged ? "ragged " : "",
                     pass == CudnnPass::forward ? "forward" : "backward", shape.sequences,
                     shape.length, shape.heads, shape.kv_heads, shape.width);
}

std::shared_ptr<const CudnnGraph> Cudnn::build(CudnnPass pass, const CudnnShape& shape) {
  const auto graph = std::make_shared<fe::graph::Graph>();
  graph->set_io_data_type(fe::DataType_t::BFLOAT16)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT)
      .set_sm_version(sm_version_);
  if (pass == CudnnPass::forward) {
    describe_forward(*graph, shape);
  } else {
    describe_backward(*graph, shape);
  }
  auto status = graph->build(handle_, {fe::HeurMode_t::A});
  std::int64_t workspace = 0;
  if (status.is_good()) status = graph->get_workspace_size(workspace);
  if (status.is_bad()) {
    core::check(!is_our_mistake(status.get_code()), "cudnn", "{}: {}", describe(pass, shape),
                status.get_message());
    core::log::warning("attention: own kernels instead of cuDNN {} for its {}: {}",
                       cudnnGetVersion(), describe(pass, shape), status.get_message());
    return nullptr;
  }
  return std::make_shared<BuiltGraph>(*this, graph, static_cast<std::size_t>(workspace));
}

}  // namespace

std::shared_ptr<const CudnnGraph> cudnn_graph(const core::cuda::Context& context, CudnnPass pass,
                                              const CudnnShape& shape) {
  return Cudnn::of(context).graph(pass, shape);
}

}  // namespace unfold::gsa::kernels::cuda
