#include "models/generate.h"

#include "models/kv_cache.h"

namespace unfold::models {
namespace {

using core::Tensor;

gsa::Layout single_document(std::vector<std::int8_t> level, int levels) {
  const auto length = static_cast<std::int64_t>(level.size());
  const std::vector<std::int32_t> document(level.size(), 0);
  return gsa::make_layout(1, length, levels, level, document);
}

// Prompt positions that a raw token right behind the prompt sees. Tokens generated later belong to
// the same open chunk, so they see the same ones.
std::vector<std::int32_t> positions_seen_later(const Prompt& prompt, const gsa::GistConfig& gist,
                                               gsa::Visibility visibility, int levels) {
  std::vector<std::int8_t> level = prompt.level;
  level.push_back(-1);
  const gsa::Reach reach = gsa::compute_reach(single_document(level, levels), gist, visibility);
  const auto next = static_cast<std::int32_t>(prompt.level.size());
  std::vector<std::int32_t> kept;
  for (std::int32_t key = 0; key < next; ++key) {
    if (reach.at(0, 0, key) > next) kept.push_back(key);
  }
  return kept;
}

std::vector<float> last_row_logits(const Decoder& decoder, const Tensor& hidden) {
  const Tensor last = hidden.slice(0, hidden.dim(0) - 1, hidden.dim(0));
  return decoder.logits(last).to_vector<float>();
}

}  // namespace

Generated generate(Decoder& decoder, const Prompt& prompt, const gsa::GistConfig& gist,
                   gsa::Visibility visibility, const GenerateOptions& options,
                   const std::function<void(std::int32_t)>& on_token) {
  core::check(!prompt.tokens.empty() && prompt.tokens.size() == prompt.level.size(), "generate",
              "{} tokens with {} levels", prompt.tokens.size(), prompt.level.size());
  const autograd::NoGrad no_grad;
  const int levels = decoder.gist_levels();
  const auto length = static_cast<std::int64_t>(prompt.tokens.size());
  const gsa::Layout layout = single_document(prompt.level, levels);
  std::vector<std::int32_t> kept = positions_seen_later(prompt, gist, visibility, levels);
  CachedAttention cache(decoder.config().layers, decoder.attention_shape(),
                        static_cast<std::int64_t>(kept.size()) + options.max_tokens,
                        decoder.dtype(), decoder.device());
  cache.begin_prefill(
      std::make_shared<const gsa::BlockMap>(gsa::make_block_map(layout, gist, visibility)),
      std::move(kept));
  const Tensor hidden = decoder
                            .hidden(Tensor::from(prompt.tokens, {length}, decoder.device()),
                                    Tensor::from(layout.rope, {length}, decoder.device()), cache)
                            .value();
  std::vector<float> logits = last_row_logits(decoder, hidden);
  std::int32_t position = layout.rope.back() + 1;
  core::Random random(options.sampling.seed);
  Generated result;
  while (static_cast<std::int64_t>(result.tokens.size()) < options.max_tokens) {
    const std::int32_t token = sample(logits, options.sampling, random);
    if (token == options.eos) break;
    result.tokens.push_back(token);
    if (on_token) on_token(token);
    if (static_cast<std::int64_t>(result.tokens.size()) == options.max_tokens) break;
    cache.begin_decode();
    const std::vector<std::int32_t> one_token = {token};
    const std::vector<std::int32_t> one_position = {position++};
    logits = last_row_logits(decoder,
                             decoder
                                 .hidden(Tensor::from(one_token, {1}, decoder.device()),
                                         Tensor::from(one_position, {1}, decoder.device()), cache)
                                 .value());
  }
  result.attended = cache.size();
  return result;
}

}  // namespace unfold::models
