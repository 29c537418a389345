#include "gsa/cached_attention.h"

#include <algorithm>

#include "gsa/kernels/attention.h"
#include "gsa/kernels/decode.h"
#include "gsa/kernels/step.h"

namespace unfold::gsa {

using core::Tensor;

namespace {

// Room for the results of all rows; with a map, those of rows that attend over it are there.
Tensor prefix_attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap* map) {
  const Tensor out = Tensor::empty({qkv.dim(0), shape.out_width()}, qkv.dtype(), qkv.device());
  if (map == nullptr) return out;
  core::check(map->rows() == 1 && map->length() == qkv.dim(0), "cached_attention",
              "no block map for {} tokens", qkv.dim(0));
  const Tensor lse =
      Tensor::empty({qkv.dim(0), shape.heads}, core::accumulator_of(qkv.dtype()), qkv.device());
  kernels::attention(qkv, shape, *map, out, lse);
  return out;
}

}  // namespace

std::int64_t CachedTokens::first_shown() const {
  return std::max(first, std::min(prefix, observe_from));
}

void make_room(const CachedTokens& sequence) {
  const SequenceTokens& tokens = *sequence.tokens;
  for (int section = 0; section < tokens.sections(); ++section) {
    const std::int64_t held = tokens.before(section, sequence.first);
    const std::int64_t first =
        sequence.store->extend(section, tokens.before(section, tokens.size()) - held);
    core::check(first == held, "cached_attention", "section {} holds {} keys, not {}", section,
                first, held);
  }
}

Tensor cached_attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap* map,
                        std::span<CachedTokens> sequences) {
  core::check(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0 && qkv.rank() == 2 &&
                  qkv.dim(1) == shape.qkv_width() && qkv.is_contiguous(),
              "cached_attention", "qkv {} for {} + 2 x {} heads of {}", core::shown(qkv.shape()),
              shape.heads, shape.kv_heads, shape.width);
  bool prefix = false;
  std::int64_t row = 0;
  for (const CachedTokens& sequence : sequences) {
    core::check(
        sequence.row == row && sequence.heads.size() == static_cast<std::size_t>(shape.kv_heads),
        "cached_attention", "sequence at row {}, expected at {}", sequence.row, row);
    row += sequence.tokens->size() - sequence.first;
    if (sequence.first >= sequence.prefix) continue;
    core::check(sequence.first == 0, "cached_attention", "a prefix that begins at position {}",
                sequence.first);
    prefix = true;
  }
  core::check(row == qkv.dim(0), "cached_attention", "{} tokens in {} rows", row, qkv.dim(0));
  core::check(!prefix || map != nullptr, "cached_attention", "no block map for a prefix");
  const Tensor out = prefix_attention(qkv, shape, prefix ? map : nullptr);
  kernels::cached_attention(qkv, shape, sequences, out);
  return out;
}

Tensor planned_attention(const Tensor& qkv, const BlockMap* map, const StepPlan& plan,
                         std::int64_t layer) {
  const AttentionShape& shape = plan.shape();
  core::check(qkv.rank() == 2 && qkv.dim(0) == plan.rows() && qkv.dim(1) == shape.qkv_width() &&
                  qkv.is_contiguous() && (map != nullptr || plan.queries() == plan.rows()),
              "cached_attention", "qkv {} for a plan of {} rows, {} of them queries",
              core::shown(qkv.shape()), plan.rows(), plan.queries());
  const Tensor out = prefix_attention(qkv, shape, map);
  kernels::step_store(qkv, plan, layer, Tensor());
  kernels::step_attention(qkv, plan, layer, out);
  return out;
}

}  // namespace unfold::gsa
