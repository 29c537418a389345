#include "gsa/kernels/attention.h"

#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "gsa/cpu/attention_data.h"
#include "gsa/cpu/exp_row.h"
#include "gsa/cpu/key_columns.h"
#include "gsa/cpu/lane_product.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

// Buffers of one thread, reused from block to block.
template <typename A>
struct Workspace {
  GatheredRows<A> keys, values;
  QueryBlock queries;
  KeyColumns<A> columns;
  Buffer<A> query, out;  // (queries, row width)
  Buffer<A> scores = Buffer<A>(kMaxQueries * kScoreStride<A>);
  Buffer<A> largest, total;  // (queries) softmax statistics so far
};

// Turns a query's scores into weights exp(score - largest so far) and brings what it has summed up
// to the same scale (online softmax).
template <typename A>
void weigh(Workspace<A>& work, std::int64_t r, std::int64_t row_width) {
  A* scores = work.scores.data() + r * kScoreStride<A>;
  const std::int64_t columns = work.columns.columns();
  work.columns.hide(work.queries, static_cast<std::size_t>(r), scores);
  const A before = work.largest[r];
  const A largest = std::max(before, largest_of_row(scores, columns));
  // A query that has seen no key yet has a maximum of -inf: keep it out of the differences.
  const A sum = exp_row(scores, columns, std::max(largest, std::numeric_limits<A>::lowest()));
  work.largest[r] = largest;
  if (work.total[r] == A(0)) {
    work.total[r] = sum;
  } else if (largest == before) {
    work.total[r] += sum;
  } else {
    const A rescale = std::exp(before - largest);
    work.total[r] = work.total[r] * rescale + sum;
    View<A>(work.out.data() + r * row_width, row_width) *= rescale;
  }
}

// The queries in work, over all keys of their tile.
template <typename A>
void attend(Workspace<A>& work, std::int64_t width) {
  const std::int64_t queries = work.queries.count;
  const std::int64_t row_width = padded<A>(width);
  work.largest.setConstant(queries, -std::numeric_limits<A>::infinity());
  work.total.setZero(queries);
  work.out.setZero(queries * row_width);
  while (work.columns.next(work.queries)) {
    for (const KeySegment& keys : work.columns.segments()) {
      multiply<A>({work.query.data(), row_width, 1}, work.keys.panels(keys.begin), queries, width,
                  keys.panels, false, {work.scores.data() + keys.panel_column, kScoreStride<A>});
    }
    for (std::int64_t r = 0; r < queries; ++r) weigh(work, r, row_width);
    for (const KeySegment& keys : work.columns.segments()) {
      multiply<A>({work.scores.data() + keys.column, kScoreStride<A>, 1},
                  work.values.rows(keys.begin), queries, keys.count, row_width / Vector<A>::kLanes,
                  true, {work.out.data(), row_width});
    }
  }
}

}  // namespace

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
      Workspace<A> work;
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
          work.largest += work.total.log();
          work.total = work.total.inverse();
          for (std::int64_t r = 0; r < queries.count; ++r) {
            store_query(work.out, r, work.total[r], queries, width, shape.out_width(),
                        out.data<T>() + token * shape.out_width());
            const auto i = static_cast<std::size_t>(r);
            lse.data<A>()[(token + queries.position[i]) * shape.heads + queries.head[i]] =
                work.largest[r];
          }
        }
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
