#include "gsa/kernels/attention.h"

#include <cmath>

#include "core/parallel.h"
#include "gsa/cpu/attend_backward.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Key or value gradients to their section of the row's tokens, rounding to T.
template <typename T, typename A>
void store_gathered(const Buffer<A>& in, std::int64_t width, const std::int32_t* order,
                    std::int64_t length, std::int64_t stride, T* section) {
  for (std::int64_t i = 0; i < length; ++i) {
    const A* from = in.data() + i * padded<A>(width);
    T* out = section + order[i] * stride;
    for (std::int64_t d = 0; d < width; ++d) out[d] = T(from[d]);
  }
}

}  // namespace

// One task a (row, key/value head): it owns the key and value gradients it adds to, so sums are
// taken in the order of the tiles whatever the thread count.
void attention_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const BlockMap& map, const Tensor& dqkv) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t length = map.length();
    const std::int64_t width = shape.width;
    const std::int64_t stride = shape.qkv_width();
    const A scale = A(1) / std::sqrt(static_cast<A>(width));
    core::parallel_for(map.rows() * shape.kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
      BackwardWorkspace<A, KeyColumns<A>> work;
      QueryBlock& queries = work.queries;
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t row = task / shape.kv_heads;
        const std::int64_t kv_head = task % shape.kv_heads;
        const std::int64_t token = row * length;
        const std::int32_t* order = map.order.data() + token;
        const std::int64_t key_begin = (shape.heads + kv_head) * width;
        const std::int64_t value_begin = key_begin + shape.kv_heads * width;
        const BackwardRow<T, A> operands{
            qkv.data<T>() + token * stride, out.data<T>() + token * shape.out_width(),
            dout.data<T>() + token * shape.out_width(), lse.data<A>() + token * shape.heads};
        T* row_dqkv = dqkv.data<T>() + token * stride;
        load_keys(work, operands, shape, kv_head, order, length);
        for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
          for (std::int64_t taken = 0; queries.take(map, shape, row, kv_head, tile, taken);
               taken += queries.count) {
            load_query_operands(work, operands, shape);
            prefetch_stores(queries, width, stride, row_dqkv);
            work.columns.start(map, row, tile);
            backward_block(work, width);
            for (std::int64_t r = 0; r < queries.count; ++r) {
              store_query(work.dquery, r, scale, queries, width, stride, row_dqkv);
            }
          }
        }
        store_gathered(work.dkeys, width, order, length, stride, row_dqkv + key_begin);
        store_gathered(work.dvalues, width, order, length, stride, row_dqkv + value_begin);
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
