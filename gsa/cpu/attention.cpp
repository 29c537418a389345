#include "gsa/kernels/attention.h"

#include <cmath>

#include "core/parallel.h"
#include "gsa/cpu/attend.h"

namespace unfold::gsa::kernels::cpu {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

void attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
               const Tensor& out, const Tensor& lse) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const std::int64_t length = map.length();
    const std::int64_t width = shape.width;
    const A scale = A(1) / std::sqrt(static_cast<A>(width));
    const std::int64_t tiles = map.rows() * shape.kv_heads * map.tiles_per_row;
    core::parallel_for(tiles, 1, [&](std::int64_t begin, std::int64_t end) {
      AttendWorkspace<A, KeyColumns<A>> work;
      QueryBlock& queries = work.queries;
      for (std::int64_t index = begin; index < end; ++index) {
        const std::int64_t tile = index % map.tiles_per_row;
        const std::int64_t kv_head = index / map.tiles_per_row % shape.kv_heads;
        const std::int64_t row = index / map.tiles_per_row / shape.kv_heads;
        const std::int64_t token = row * length;
        const T* row_qkv = qkv.data<T>() + token * shape.qkv_width();
        if (index == begin || tile == 0) {
          const T* keys = row_qkv + (shape.heads + kv_head) * width;
          const std::int32_t* order = map.order.data() + token;
          work.keys.gather(keys, shape.qkv_width(), order, length, width);
          work.keys.transpose(length, width);
          work.values.gather(keys + shape.kv_heads * width, shape.qkv_width(), order, length,
                             width);
        }
        for (std::int64_t taken = 0; queries.take(map, shape, row, kv_head, tile, taken);
             taken += queries.count) {
          load_queries(row_qkv, shape.qkv_width(), queries, width, scale, work.query);
          T* row_out = out.data<T>() + token * shape.out_width();
          prefetch_stores(queries, width, shape.out_width(), row_out);
          work.columns.start(map, row, tile);
          attend(work, width);
          store_attended(work, shape, row_out, lse.data<A>() + token * shape.heads);
        }
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
