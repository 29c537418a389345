// Attention of a block of queries on the CPU, whatever keys they visit: online softmax over columns
// of keys. Columns is KeyColumns (the ranges of a block map) or UnfoldedColumns (key spans).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "gsa/attention_shape.h"
#include "gsa/cpu/attention_data.h"
#include "gsa/cpu/exp_row.h"
#include "gsa/cpu/key_columns.h"
#include "gsa/cpu/lane_product.h"

namespace unfold::gsa::kernels::cpu {

// Buffers of one thread, reused from block to block.
template <typename A, typename Columns>
struct AttendWorkspace {
  GatheredRows<A> keys, values;
  QueryBlock queries;
  Columns columns;
  Buffer<A> query, out;  // (queries, row width)
  Buffer<A> scores = Buffer<A>(kMaxQueries * kScoreStride<A>);
  Buffer<A> largest, total;  // (queries) softmax statistics so far
};

// Turns a query's scores into weights exp(score - largest so far) and brings what it has summed up
// to the same scale (online softmax).
template <typename A, typename Columns>
void weigh(AttendWorkspace<A, Columns>& work, std::int64_t r, std::int64_t row_width) {
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

// The queries in work, over all keys of their columns. Leaves log-sum-exp in `largest`, and in
// `out` the sums to multiply by `total`.
template <typename A, typename Columns>
void attend(AttendWorkspace<A, Columns>& work, std::int64_t width) {
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
  work.largest += work.total.log();
  work.total = work.total.inverse();
}

// What attend left, to the queries' places in the row's tokens.
template <typename T, typename A, typename Columns>
void store_attended(const AttendWorkspace<A, Columns>& work, const AttentionShape& shape,
                    T* row_out, A* row_lse) {
  for (std::int64_t r = 0; r < work.queries.count; ++r) {
    store_query(work.out, r, work.total[r], work.queries, shape.width, shape.out_width(), row_out);
    const auto i = static_cast<std::size_t>(r);
    row_lse[work.queries.position[i] * shape.heads + work.queries.head[i]] = work.largest[r];
  }
}

}  // namespace unfold::gsa::kernels::cpu
