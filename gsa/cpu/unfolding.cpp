#include "gsa/kernels/unfolding.h"

#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "gsa/cpu/attend.h"
#include "gsa/cpu/attend_backward.h"
#include "gsa/cpu/unfolded_columns.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Positions of the document's tokens in its row.
std::vector<std::int32_t> positions_of(const DocumentChunks& document) {
  std::vector<std::int32_t> positions(static_cast<std::size_t>(document.end - document.begin));
  std::iota(positions.begin(), positions.end(), document.begin);
  return positions;
}

// Adds key or value gradients to their section of the row's tokens.
template <typename A>
void add_gathered(const Buffer<A>& in, std::int64_t width,
                  const std::vector<std::int32_t>& positions, std::int64_t stride, A* section) {
  const A* from = in.data();
  for (const std::int32_t position : positions) {
    A* out = section + position * stride;
    for (std::int64_t d = 0; d < width; ++d) out[d] += from[d];
    from += padded<A>(width);
  }
}

}  // namespace

void unfolding(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
               std::int64_t length, const KeySpans& spans, const Tensor& out, const Tensor& lse) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const A scale = A(1) / std::sqrt(static_cast<A>(shape.width));
    const std::int64_t stride = shape.qkv_width();
    const std::vector<UnfoldedBlock> blocks =
        plan_blocks(table, shape, spans, static_cast<std::int32_t>(Vector<A>::kLanes));
    const auto tasks = static_cast<std::int64_t>(blocks.size());
    core::parallel_for(tasks, 1, [&](std::int64_t begin, std::int64_t end) {
      AttendWorkspace<A, UnfoldedColumns<A>> work;
      const UnfoldedBlock* before = nullptr;  // whose keys work holds
      for (std::int64_t i = begin; i < end; ++i) {
        const UnfoldedBlock& block = blocks[static_cast<std::size_t>(i)];
        const DocumentChunks& document = table.documents[static_cast<std::size_t>(block.document)];
        const std::int64_t token = document.row * length;
        const T* row = qkv.data<T>() + token * stride;
        if (before == nullptr || before->document != block.document ||
            before->kv_head != block.kv_head) {
          const std::vector<std::int32_t> order = positions_of(document);
          const auto count = static_cast<std::int64_t>(order.size());
          const T* keys = row + (shape.heads + block.kv_head) * shape.width;
          work.keys.gather(keys, stride, order.data(), count, shape.width);
          work.keys.transpose(count, shape.width);
          work.values.gather(keys + shape.kv_heads * shape.width, stride, order.data(), count,
                             shape.width);
        }
        before = &block;
        take(block, table, shape, work.queries);
        load_queries(row, stride, work.queries, shape.width, scale, work.query);
        work.columns.start(block, document, shape, spans);
        attend(work, shape.width);
        store_attended(work, shape, out.data<T>() + token * shape.out_width(),
                       lse.data<A>() + token * shape.heads);
      }
    });
  });
}

// One task a (document, key/value head): it owns the key and value gradients it adds to, so sums
// are taken in the order of the blocks whatever the thread count.
void unfolding_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const ChunkTable& table, std::int64_t length,
                        const KeySpans& spans, const Tensor& dqkv) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const A scale = A(1) / std::sqrt(static_cast<A>(shape.width));
    const std::int64_t width = shape.width;
    const std::int64_t stride = shape.qkv_width();
    const std::vector<UnfoldedBlock> blocks =
        plan_blocks(table, shape, spans, static_cast<std::int32_t>(Vector<A>::kLanes));
    std::vector<std::size_t> first_blocks;  // of every task
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i == 0 || blocks[i].document != blocks[i - 1].document ||
          blocks[i].kv_head != blocks[i - 1].kv_head) {
        first_blocks.push_back(i);
      }
    }
    first_blocks.push_back(blocks.size());
    const auto tasks = static_cast<std::int64_t>(first_blocks.size()) - 1;
    core::parallel_for(tasks, 1, [&](std::int64_t begin, std::int64_t end) {
      BackwardWorkspace<A, UnfoldedColumns<A>> work;
      for (auto task = static_cast<std::size_t>(begin); task < static_cast<std::size_t>(end);
           ++task) {
        const UnfoldedBlock& first = blocks[first_blocks[task]];
        const DocumentChunks& document = table.documents[static_cast<std::size_t>(first.document)];
        const std::vector<std::int32_t> order = positions_of(document);
        const std::int64_t token = document.row * length;
        const BackwardRow<T, A> operands{
            qkv.data<T>() + token * stride, out.data<T>() + token * shape.out_width(),
            dout.data<T>() + token * shape.out_width(), lse.data<A>() + token * shape.heads};
        A* row_dqkv = dqkv.data<A>() + token * stride;
        load_keys(work, operands, shape, first.kv_head, order.data(),
                  static_cast<std::int64_t>(order.size()));
        for (std::size_t i = first_blocks[task]; i < first_blocks[task + 1]; ++i) {
          take(blocks[i], table, shape, work.queries);
          load_query_operands(work, operands, shape);
          work.columns.start(blocks[i], document, shape, spans);
          backward_block(work, width);
          for (std::int64_t r = 0; r < work.queries.count; ++r) {
            store_query(work.dquery, r, scale, work.queries, width, stride, row_dqkv);
          }
        }
        A* keys = row_dqkv + (shape.heads + first.kv_head) * width;
        add_gathered(work.dkeys, width, order, stride, keys);
        add_gathered(work.dvalues, width, order, stride, keys + shape.kv_heads * width);
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
