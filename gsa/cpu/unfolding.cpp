#include "gsa/kernels/unfolding.h"

#include <cmath>

#include "core/cpu/scalar.h"
#include "core/parallel.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

template <typename A>
using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The queries and keys of one (suffix query, key/value head) as dense matrices.
template <typename T, typename A>
class Gathered {
 public:
  Gathered(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
           std::int64_t length, const KeyLists& lists)
      : base_(qkv.data<T>()), shape_(shape), table_(table), length_(length), lists_(lists) {}

  void load(std::int64_t pair) {
    const std::int64_t kv_head = pair % shape_.kv_heads;
    const auto& suffix = table_.suffix[static_cast<std::size_t>(pair / shape_.kv_heads)];
    const auto& document = table_.documents[static_cast<std::size_t>(suffix.document)];
    row_begin = document.row * length_;
    token = row_begin + suffix.position;
    first_head = kv_head * shape_.group();
    const auto begin = static_cast<std::size_t>(lists_.offsets[static_cast<std::size_t>(pair)]);
    const auto end = static_cast<std::size_t>(lists_.offsets[static_cast<std::size_t>(pair) + 1]);
    positions = std::span(lists_.keys).subspan(begin, end - begin);
    const auto count = static_cast<std::int64_t>(positions.size());
    query.resize(shape_.group(), shape_.width);
    key.resize(count, shape_.width);
    value.resize(count, shape_.width);
    const std::int64_t stride = shape_.qkv_width();
    copy(base_ + token * stride + first_head * shape_.width, shape_.group() * shape_.width,
         query.data());
    const T* keys = base_ + row_begin * stride + (shape_.heads + kv_head) * shape_.width;
    const T* values = keys + shape_.kv_heads * shape_.width;
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t at = positions[static_cast<std::size_t>(j)] * stride;
      copy(keys + at, shape_.width, key.data() + j * shape_.width);
      copy(values + at, shape_.width, value.data() + j * shape_.width);
    }
  }

  std::int64_t row_begin = 0;   // first token of the row
  std::int64_t token = 0;       // the query's
  std::int64_t first_head = 0;  // of the group
  std::span<const std::int32_t> positions;
  Matrix<A> query, key, value;

 private:
  static void copy(const T* from, std::int64_t count, A* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<A>(from[i]);
  }

  const T* base_;
  const AttentionShape& shape_;
  const ChunkTable& table_;
  std::int64_t length_;
  const KeyLists& lists_;
};

}  // namespace

void unfolding(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
               std::int64_t length, const KeyLists& lists, const Tensor& out, const Tensor& lse) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const A scale = A(1) / std::sqrt(static_cast<A>(shape.width));
    const auto pairs = static_cast<std::int64_t>(table.suffix.size()) * shape.kv_heads;
    core::parallel_for(pairs, 4, [&](std::int64_t begin, std::int64_t end) {
      Gathered<T, A> at(qkv, shape, table, length, lists);
      Matrix<A> scores;
      Matrix<A> sums;
      for (std::int64_t pair = begin; pair < end; ++pair) {
        at.load(pair);
        scores.noalias() = at.query * at.key.transpose() * scale;
        for (std::int64_t h = 0; h < shape.group(); ++h) {
          auto row = scores.row(h).array();
          const A largest = row.maxCoeff();
          row = (row - largest).exp();
          const A total = row.sum();
          row /= total;
          lse.data<A>()[at.token * shape.heads + at.first_head + h] = largest + std::log(total);
        }
        sums.noalias() = scores * at.value;
        T* to = out.data<T>() + at.token * shape.out_width() + at.first_head * shape.width;
        for (std::int64_t i = 0; i < sums.size(); ++i) to[i] = T(sums.data()[i]);
      }
    });
  });
}

// The formulas of attention_backward. One task a key/value head, which owns the columns it adds to:
// sums are taken in the order of the queries whatever the thread count.
void unfolding_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out,
                        const Tensor& lse, const AttentionShape& shape, const ChunkTable& table,
                        std::int64_t length, const KeyLists& lists, const Tensor& dqkv) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const A scale = A(1) / std::sqrt(static_cast<A>(shape.width));
    const auto queries = static_cast<std::int64_t>(table.suffix.size());
    const std::int64_t stride = shape.qkv_width();
    core::parallel_for(shape.kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
      Gathered<T, A> at(qkv, shape, table, length, lists);
      Matrix<A> weights, dscores, dgroup, ogroup, dquery, dkey, dvalue;
      for (std::int64_t kv_head = begin; kv_head < end; ++kv_head) {
        for (std::int64_t s = 0; s < queries; ++s) {
          at.load(s * shape.kv_heads + kv_head);
          const std::int64_t group = at.token * shape.out_width() + at.first_head * shape.width;
          dgroup.resize(shape.group(), shape.width);
          ogroup.resize(shape.group(), shape.width);
          for (std::int64_t i = 0; i < dgroup.size(); ++i) {
            dgroup.data()[i] = static_cast<A>(dout.data<T>()[group + i]);
            ogroup.data()[i] = static_cast<A>(out.data<T>()[group + i]);
          }
          weights.noalias() = at.query * at.key.transpose() * scale;
          dscores.noalias() = dgroup * at.value.transpose();
          for (std::int64_t h = 0; h < shape.group(); ++h) {
            const A row_lse = lse.data<A>()[at.token * shape.heads + at.first_head + h];
            auto weight = weights.row(h).array();
            weight = (weight - row_lse).exp();
            auto dscore = dscores.row(h).array();
            dscore = weight * (dscore - dgroup.row(h).dot(ogroup.row(h))) * scale;
          }
          dquery.noalias() = dscores * at.key;
          dkey.noalias() = dscores.transpose() * at.query;
          dvalue.noalias() = weights.transpose() * dgroup;
          A* to_query = dqkv.data<A>() + at.token * stride + at.first_head * shape.width;
          for (std::int64_t i = 0; i < dquery.size(); ++i) to_query[i] += dquery.data()[i];
          A* to_key = dqkv.data<A>() + at.row_begin * stride + (shape.heads + kv_head) * shape.width;
          for (std::size_t j = 0; j < at.positions.size(); ++j) {
            A* key = to_key + at.positions[j] * stride;
            A* value = key + shape.kv_heads * shape.width;
            for (std::int64_t d = 0; d < shape.width; ++d) {
              key[d] += dkey(static_cast<std::int64_t>(j), d);
              value[d] += dvalue(static_cast<std::int64_t>(j), d);
            }
          }
        }
      }
    });
  });
}

}  // namespace unfold::gsa::kernels::cpu
