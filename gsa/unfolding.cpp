#include "gsa/unfolding.h"

#include <algorithm>

#include "core/kernels/elementwise.h"
#include "gsa/kernels/attention.h"
#include "gsa/kernels/selection.h"
#include "gsa/kernels/unfolding.h"

namespace unfold::gsa {

using autograd::Variable;
using core::Tensor;

UnfoldingContext make_unfolding_context(const Layout& layout, const GistConfig& gist,
                                        const SelectionConfig& config,
                                        std::span<const std::int32_t> select_from,
                                        std::int64_t query_tile) {
  const auto table =
      std::make_shared<const ChunkTable>(make_chunk_table(layout, select_from, gist.sinks));
  std::vector<std::uint8_t> attends(static_cast<std::size_t>(layout.size()), 1);
  for (const ChunkTable::SuffixQuery& query : table->suffix) {
    const std::int64_t row = table->document_of(query).row;
    attends[static_cast<std::size_t>(row * layout.length + query.position)] = 0;
  }
  return {std::make_shared<const BlockMap>(
              make_block_map(layout, gist, Visibility::gist, attends, query_tile)),
          table, config};
}

std::shared_ptr<const Selection> select(const Tensor& qkv, const AttentionShape& shape,
                                        const UnfoldingContext& context) {
  const auto selection = std::make_shared<Selection>();
  kernels::select_chunks(qkv, shape, *context.table, context.map->length(), context.config,
                         *selection);
  return selection;
}

Variable unfolding_attention(const Variable& qkv, const AttentionShape& shape,
                             const UnfoldingContext& context, const Selection& selection) {
  const BlockMap& rows = *context.map;
  const std::int64_t length = rows.length();
  const core::Device device = qkv.value().device();
  const core::DType wide = core::accumulator_of(qkv.dtype());
  core::check(qkv.value().rank() == 2 && qkv.dim(1) == shape.qkv_width() &&
                  qkv.dim(0) == rows.rows() * length,
              "unfolding", "qkv {} for {} rows of {}", core::shown(qkv.shape()), rows.rows(),
              length);
  core::check(
      rows.queries.size() + context.table->suffix.size() == static_cast<std::size_t>(qkv.dim(0)),
      "unfolding", "{} queries attend under section 5 and {} select, of {}", rows.queries.size(),
      context.table->suffix.size(), qkv.dim(0));
  const auto spans = std::make_shared<const KeySpans>(
      make_key_spans(rows.reach, *context.table, context.config.unfold, selection));
  const Tensor out = Tensor::empty({qkv.dim(0), shape.out_width()}, qkv.dtype(), device);
  const Tensor lse = Tensor::empty({qkv.dim(0), shape.heads}, wide, device);
  kernels::attention(qkv.value(), shape, rows, out, lse);
  kernels::unfolding(qkv.value(), shape, *context.table, length, *spans, out, lse);
  return autograd::record(
      "unfolding_attention", out, {qkv},
      [slot = qkv.slot(), value = qkv.value(), out, lse, shape, spans, map = context.map,
       table = context.table, length, wide](const Tensor& dout) {
        const Tensor prefix = Tensor::zeros(value.shape(), value.dtype(), value.device());
        kernels::attention_backward(dout, value, out, lse, shape, *map, prefix);
        const Tensor dqkv = prefix.to(wide);
        kernels::unfolding_backward(dout, value, out, lse, shape, *table, length, *spans, dqkv);
        slot->add(dqkv);
      });
}

std::vector<std::int32_t> unfolded_keys(const UnfoldingContext& context, const Selection& selection,
                                        std::int64_t query, std::int64_t kv_head) {
  std::vector<std::int32_t> keys;
  for (const KeySpan& span : key_spans_of(context.map->reach, *context.table, context.config.unfold,
                                          selection, query, kv_head)) {
    for (std::int32_t key = span.begin; key < span.end; ++key) keys.push_back(key);
  }
  return keys;
}

AttendedKeys count_attended(const UnfoldingContext& context, const Layout& layout,
                            const Selection& selection) {
  const auto padding = std::count(layout.document.begin(), layout.document.end(), -1);
  const KeySpans spans =
      make_key_spans(context.map->reach, *context.table, context.config.unfold, selection);
  AttendedKeys attended;
  attended.suffix_queries = static_cast<std::int64_t>(context.table->suffix.size());
  attended.suffix_keys = static_cast<double>(spans.keys()) /
                         static_cast<double>(std::max<std::int64_t>(1, selection.kv_heads));
  attended.prefix_queries = static_cast<std::int64_t>(context.map->queries.size()) - padding;
  attended.prefix_keys = count_visible_pairs(*context.map) - padding;  // padding sees itself
  return attended;
}

}  // namespace unfold::gsa
