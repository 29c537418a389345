#include "models/formats/llama2c.h"

#include <fmt/core.h>

#include <array>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/gguf_file.h"
#include "core/mapped_file.h"
#include "models/formats/gguf_blocks.h"

namespace unfold::models {
namespace {

constexpr std::size_t kHeader = 7 * sizeof(std::int32_t);
constexpr std::int32_t kMost = 1 << 24;  // of any number in the header

class Llama2cWeights : public WeightSource {
 public:
  explicit Llama2cWeights(const std::filesystem::path& path) : file_(path) {
    read_header();
    lay_out();
  }

  const DecoderConfig& config() const override { return config_; }
  const std::vector<SourceTensor>& tensors() const override { return listed_; }
  std::string describe() const override {
    return fmt::format("llama2.c checkpoint, {} tensors, F32", listed_.size());
  }

  core::Tensor read(const std::string& hugging_face_name, core::DType dtype) const override {
    const auto found = places_.find(hugging_face_name);
    if (found == places_.end()) return {};
    const SourceTensor& listed = listed_[found->second.index];
    // float32 in the order of a GGUF tensor: read by the same code.
    const core::GgufTensor tensor{
        listed.name, listed.shape, core::GgufType::f32,
        file_.bytes().subspan(found->second.begin, static_cast<std::size_t>(listed.bytes))};
    const core::Tensor values = read_gguf_tensor(tensor, dtype, found->second.head_width);
    file_.release(found->second.begin, tensor.bytes.size());
    return values;
  }

 private:
  struct Place {
    std::size_t index;  // in listed_
    std::size_t begin;  // in the file
    std::int64_t head_width;
  };

  template <typename... Args>
  void require(bool condition, fmt::format_string<Args...> message, Args&&... args) const {
    if (condition) return;
    throw core::UserError("llama2.c",
                          fmt::format("{}: {}", file_.path().string(),
                                      fmt::format(message, std::forward<Args>(args)...)));
  }

  void read_header() {
    require(file_.bytes().size() > kHeader, "is too short for a llama2.c checkpoint");
    std::array<std::int32_t, 7> header;
    std::memcpy(header.data(), file_.bytes().data(), kHeader);
    static constexpr std::array<const char*, 7> kNames = {
        "width", "FFN width", "layers", "heads", "key heads", "vocabulary", "context"};
    for (std::size_t i = 0; i < header.size(); ++i) {
      const bool may_be_negative = i == 5;
      const std::int64_t value = header[i];
      require((value >= 1 || may_be_negative) && value != 0 && value <= kMost && value >= -kMost,
              "{} of {} in the header: not a llama2.c checkpoint", value, kNames[i]);
    }
    config_.width = header[0];
    config_.ffn = header[1];
    config_.layers = header[2];
    config_.heads = header[3];
    config_.kv_heads = header[4];
    config_.vocab_size = header[5] < 0 ? -std::int64_t{header[5]} : header[5];
    config_.tied_embeddings = header[5] > 0;
    config_.max_positions = header[6];
    require(config_.width % config_.heads == 0 && config_.width / config_.heads % 2 == 0,
            "{} heads in a width of {}: not a llama2.c checkpoint", config_.heads, config_.width);
    require(config_.heads % config_.kv_heads == 0,
            "{} heads are not a multiple of {} key heads: not a llama2.c checkpoint", config_.heads,
            config_.kv_heads);
    // Before anything is listed: each layer takes a row of the file at least.
    require(static_cast<std::uint64_t>(config_.layers) < file_.bytes().size() / sizeof(float),
            "{} layers do not fit into the file", config_.layers);
  }

  void lay_out() {
    const std::int64_t width = config_.width;
    const std::int64_t key = config_.kv_heads * config_.head_width();
    add("model.embed_tokens.weight", {config_.vocab_size, width});
    add_layers("input_layernorm.weight", {width});
    add_layers("self_attn.q_proj.weight", {width, width}, true);
    add_layers("self_attn.k_proj.weight", {key, width}, true);
    add_layers("self_attn.v_proj.weight", {key, width});
    add_layers("self_attn.o_proj.weight", {width, width});
    add_layers("post_attention_layernorm.weight", {width});
    add_layers("mlp.gate_proj.weight", {config_.ffn, width});
    add_layers("mlp.down_proj.weight", {width, config_.ffn});
    add_layers("mlp.up_proj.weight", {config_.ffn, width});
    add("model.norm.weight", {width});
    skip(config_.max_positions * config_.head_width());  // cosines, then sines: half a head each
    if (!config_.tied_embeddings) add("lm_head.weight", {config_.vocab_size, width});
    require(at_ == file_.bytes().size(),
            "has {} bytes, the header says {}: not a llama2.c "
            "checkpoint, or damaged",
            file_.bytes().size(), at_);
  }

  void add_layers(const char* name, const core::Shape& shape, bool is_rotated = false) {
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      add(fmt::format("model.layers.{}.{}", layer, name), shape, is_rotated);
    }
  }

  void add(const std::string& name, const core::Shape& shape, bool is_rotated = false) {
    const std::size_t begin = at_;
    skip(core::element_count(shape));  // extents are below 2^24: no overflow
    places_[name] = {listed_.size(), begin, is_rotated ? config_.head_width() : 0};
    listed_.push_back({name, shape, "F32", static_cast<std::int64_t>(at_ - begin)});
  }

  void skip(std::int64_t values) {
    const auto count = static_cast<std::uint64_t>(values);
    require(count <= (file_.bytes().size() - at_) / sizeof(float),
            "is shorter than its header says: truncated, or not a llama2.c checkpoint");
    at_ += static_cast<std::size_t>(count) * sizeof(float);
  }

  core::MappedFile file_;
  DecoderConfig config_;
  std::size_t at_ = kHeader;
  std::vector<SourceTensor> listed_;
  std::unordered_map<std::string, Place> places_;
};

}  // namespace

std::unique_ptr<WeightSource> open_llama2c_weights(const std::filesystem::path& file) {
  return std::make_unique<Llama2cWeights>(file);
}

}  // namespace unfold::models
