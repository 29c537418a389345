// The decoder written down as formulas, token by token and pair by pair in float64, for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/layout.h"
#include "models/decoder.h"

namespace unfold::models {

// Logits (rows * length, vocab_size) of a model's parameters on a layout. RoPE without scaling.
std::vector<double> naive_logits(const Decoder& decoder, const gsa::Layout& layout,
                                 const std::vector<std::int32_t>& tokens,
                                 const gsa::GistConfig& gist, gsa::Visibility visibility);

// A query of one layer and key/value head, with the projections of all tokens of the layer.
struct NaiveQuery {
  std::int64_t layer;
  std::int64_t kv_head;
  std::int64_t position;                        // among all tokens
  const std::vector<std::vector<double>>& qkv;  // (tokens, qkv_width), queries and keys rotated
};
// Which tokens the query sees, from the first on; those behind the end of the list it does not.
using NaiveView = std::function<std::vector<bool>(const NaiveQuery& query)>;

// The same for a view of one's own.
std::vector<double> naive_logits(const Decoder& decoder, const gsa::Layout& layout,
                                 const std::vector<std::int32_t>& tokens, const NaiveView& view);

// -log softmax(logits of the token)[target].
double naive_loss(const std::vector<double>& logits, std::int64_t classes, std::int64_t token,
                  std::int32_t target);

}  // namespace unfold::models
