#include "models/document_cache.h"

#include "core/kernels/elementwise.h"
#include "core/kernels/nn.h"
#include "gsa/attention.h"
#include "gsa/block_map.h"

namespace unfold::models {
namespace {

using core::Tensor;

// Attends over the block map of the document and keeps what every layer would cache.
class KeepingAttention : public AttentionContext {
 public:
  KeepingAttention(std::shared_ptr<const gsa::BlockMap> map, CachedDocument& document)
      : map_(std::move(map)), document_(document) {}

  autograd::Variable attend(std::int64_t /*layer*/, const autograd::Variable& qkv,
                            const gsa::AttentionShape& shape) override {
    const std::int64_t keys = shape.heads * shape.width;
    const std::int64_t values = keys + shape.kv_heads * shape.width;
    document_.keys.push_back(qkv.value().slice(1, keys, values).contiguous());
    document_.values.push_back(qkv.value().slice(1, values, shape.qkv_width()).contiguous());
    return gsa::attention(qkv, shape, map_);
  }

 private:
  std::shared_ptr<const gsa::BlockMap> map_;
  CachedDocument& document_;
};

}  // namespace

CachedDocument encode_document(Decoder& decoder, const gsa::GistConfig& gist,
                               const Prompt& document) {
  check_tokens(document, decoder.config().vocab_size, decoder.gist_levels());
  core::require(
      decoder.config().rope.scaling != RopeScaling::dynamic, "links",
      "dynamic RoPE scaling rotates by the length of the sequence, so documents cannot be "
      "computed apart: give the document as part of the prompt");
  const autograd::NoGrad no_grad;
  const auto count = static_cast<std::int64_t>(document.tokens.size());
  const std::vector<std::int32_t> one_document(document.tokens.size(), 0);
  const gsa::Layout layout =
      gsa::make_layout(1, count, decoder.gist_levels(), document.level, one_document);
  CachedDocument cached;
  cached.level = document.level;
  KeepingAttention attention(std::make_shared<const gsa::BlockMap>(
                                 gsa::make_block_map(layout, gist, gsa::Visibility::gist)),
                             cached);
  const Tensor positions = Tensor::from(layout.rope, {count}, decoder.device());
  decoder.hidden(Tensor::from(document.tokens, {count}, decoder.device()), positions, attention);
  for (Tensor& keys : cached.keys) keys = decoder.rotate(keys, positions, true);
  return cached;
}

}  // namespace unfold::models
