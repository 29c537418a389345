#include "gsa/unfolding.h"

#include <algorithm>

#include "core/kernels/elementwise.h"
#include "core/parallel.h"
#include "gsa/kernels/attention.h"
#include "gsa/kernels/selection.h"
#include "gsa/kernels/unfolding.h"

namespace unfold::gsa {
namespace {

using autograd::Variable;
using core::Tensor;

kernels::KeyLists list_keys(const UnfoldingContext& context, const Selection& selection) {
  const auto queries = static_cast<std::int64_t>(context.table->suffix.size());
  const std::int64_t pairs = queries * selection.kv_heads;
  std::vector<std::vector<std::int32_t>> keys(static_cast<std::size_t>(pairs));
  core::parallel_for(pairs, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      keys[static_cast<std::size_t>(i)] =
          unfolded_keys(context, selection, i / selection.kv_heads, i % selection.kv_heads);
    }
  });
  kernels::KeyLists lists;
  lists.offsets.push_back(0);
  for (const auto& list : keys) {
    lists.keys.insert(lists.keys.end(), list.begin(), list.end());
    lists.offsets.push_back(static_cast<std::int64_t>(lists.keys.size()));
  }
  return lists;
}

// The gradient of the output without the rows of suffix queries.
Tensor without_suffix(const Tensor& dout, const ChunkTable& table, std::int64_t length) {
  const Tensor result = dout.clone();
  for (const ChunkTable::SuffixQuery& query : table.suffix) {
    const DocumentChunks& document = table.documents[static_cast<std::size_t>(query.document)];
    const std::int64_t row = document.row * length + query.position;
    core::kernels::fill(result.slice(0, row, row + 1), 0.0);
  }
  return result;
}

}  // namespace

std::vector<std::int32_t> unfolded_keys(const UnfoldingContext& context,
                                        const Selection& selection, std::int64_t query,
                                        std::int64_t kv_head) {
  const ChunkTable::SuffixQuery& suffix =
      context.table->suffix[static_cast<std::size_t>(query)];
  const DocumentChunks& document =
      context.table->documents[static_cast<std::size_t>(suffix.document)];
  const Reach& reach = context.map->reach;
  const int query_class =
      reach.query_class[static_cast<std::size_t>(document.row * reach.length + suffix.position)];
  std::vector<std::int32_t> keys;
  // Raw tokens that section 5 shows: sinks and previous chunks.
  for (const std::int32_t key : document.raw) {
    if (suffix.position < reach.at(document.row, query_class, key)) keys.push_back(key);
  }
  for (int level = 0; level < selection.levels; ++level) {
    const ChunkLevel& gists = document.levels[static_cast<std::size_t>(level)];
    if (context.config.unfold == Unfold::all_gists) {
      keys.insert(keys.end(), gists.gist.begin(), gists.gist.end());
    }
    for (const std::int32_t pick : selection.of(query, kv_head, level)) {
      if (context.config.unfold == Unfold::picked_gists) {
        keys.push_back(gists.gist[static_cast<std::size_t>(pick)]);
      }
      if (level == 0) {
        const auto chunk = document.chunk(pick);
        keys.insert(keys.end(), chunk.begin(), chunk.end());
      }
    }
  }
  for (std::int32_t key = document.suffix_begin; key <= suffix.position; ++key) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

Variable unfolding_attention(const Variable& qkv, const AttentionShape& shape,
                             const UnfoldingContext& context,
                             std::shared_ptr<const Selection>* chosen) {
  const std::int64_t length = context.map->length();
  const core::Device device = qkv.value().device();
  const core::DType wide = core::accumulator_of(qkv.dtype());
  core::check(qkv.value().rank() == 2 && qkv.dim(1) == shape.qkv_width() &&
                  qkv.dim(0) == context.map->rows() * length,
              "unfolding", "qkv {} for {} rows of {}", core::to_string(qkv.shape()),
              context.map->rows(), length);
  const auto selection = std::make_shared<Selection>();
  kernels::select_chunks(qkv.value(), shape, *context.table, length, context.config, *selection);
  const auto lists = std::make_shared<const kernels::KeyLists>(list_keys(context, *selection));
  if (chosen != nullptr) *chosen = selection;

  const Tensor out = Tensor::empty({qkv.dim(0), shape.out_width()}, qkv.dtype(), device);
  const Tensor lse = Tensor::empty({qkv.dim(0), shape.heads}, wide, device);
  kernels::attention(qkv.value(), shape, *context.map, out, lse);
  kernels::unfolding(qkv.value(), shape, *context.table, length, *lists, out, lse);
  return autograd::record(
      "unfolding_attention", out, {qkv},
      [slot = qkv.slot(), value = qkv.value(), out, lse, shape, lists, map = context.map,
       table = context.table, length, wide](const Tensor& dout) {
        const Tensor dprefix = Tensor::empty(value.shape(), value.dtype(), value.device());
        kernels::attention_backward(without_suffix(dout, *table, length), value, out, lse, shape,
                                    *map, dprefix);
        const Tensor dqkv = dprefix.to(wide);
        kernels::unfolding_backward(dout, value, out, lse, shape, *table, length, *lists, dqkv);
        slot->add(dqkv);
      });
}

}  // namespace unfold::gsa
