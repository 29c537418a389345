#include "tests/gsa/dense_attention.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "gsa/visibility.h"

namespace unfold::gsa {
namespace {

// A: the type sums are taken in; T: the type results are stored in.
template <typename A, typename T>
class Dense {
 public:
  Dense(const std::vector<double>& qkv, const std::vector<double>& dout,
        const AttentionShape& shape, const Layout& layout)
      : qkv_(qkv), dout_(dout), shape_(shape), layout_(layout) {
    result_.out.assign(static_cast<std::size_t>(layout.size() * shape.out_width()), 0.0);
    dqkv_.assign(static_cast<std::size_t>(layout.size() * shape.qkv_width()), A(0));
  }

  DenseAttention run(const SeesKey& sees) {
    for (std::int64_t row = 0; row < layout_.rows; ++row) {
      for (std::int64_t q = 0; q < layout_.length; ++q) {
        for (std::int64_t head = 0; head < shape_.heads; ++head) {
          std::vector<std::int64_t> keys;  // tokens of the batch
          for (std::int64_t k = 0; k <= q; ++k) {
            if (sees(row, head, q, k)) keys.push_back(row * layout_.length + k);
          }
          attend(row * layout_.length + q, head, keys);
        }
      }
    }
    for (const A value : dqkv_) result_.dqkv.push_back(stored(value));
    return result_;
  }

 private:
  static A stored(A value) { return static_cast<A>(T(value)); }

  std::size_t at(std::int64_t token, std::int64_t column) const {
    return static_cast<std::size_t>(token * shape_.qkv_width() + column);
  }

  void attend(std::int64_t token, std::int64_t head, const std::vector<std::int64_t>& keys) {
    const std::int64_t width = shape_.width;
    const std::int64_t query = head * width;
    const std::int64_t key = (shape_.heads + head / shape_.group()) * width;
    const std::int64_t value = key + shape_.kv_heads * width;
    const A scale = A(1) / std::sqrt(A(width));
    std::vector<A> weights;
    for (const std::int64_t k : keys) {
      A score = 0;
      for (std::int64_t d = 0; d < width; ++d) {
        score += A(qkv_[at(token, query + d)]) * A(qkv_[at(k, key + d)]);
      }
      weights.push_back(stored(score * scale));
    }
    const A largest = *std::max_element(weights.begin(), weights.end());
    A total = 0;
    for (A& weight : weights) total += weight = std::exp(weight - largest);
    for (A& weight : weights) weight = stored(weight / total);

    std::vector<A> dweights(keys.size(), A(0));
    A delta = 0;
    for (std::int64_t d = 0; d < width; ++d) {
      const auto place = static_cast<std::size_t>(token * shape_.out_width() + query + d);
      const A dout = A(dout_[place]);
      A out = 0;
      for (std::size_t j = 0; j < keys.size(); ++j) {
        const A v = A(qkv_[at(keys[j], value + d)]);
        out += weights[j] * v;
        dweights[j] += dout * v;
        dqkv_[at(keys[j], value + d)] += weights[j] * dout;
      }
      result_.out[place] = stored(out);
    }
    for (std::size_t j = 0; j < keys.size(); ++j) {
      dweights[j] = stored(dweights[j]);
      delta += weights[j] * dweights[j];
    }
    for (std::size_t j = 0; j < keys.size(); ++j) {
      const A dscore = stored(weights[j] * (dweights[j] - delta)) * scale;
      for (std::int64_t d = 0; d < width; ++d) {
        dqkv_[at(token, query + d)] += dscore * A(qkv_[at(keys[j], key + d)]);
        dqkv_[at(keys[j], key + d)] += dscore * A(qkv_[at(token, query + d)]);
      }
    }
  }

  const std::vector<double>& qkv_;
  const std::vector<double>& dout_;
  const AttentionShape& shape_;
  const Layout& layout_;
  DenseAttention result_;
  std::vector<A> dqkv_;
};

}  // namespace

DenseAttention dense_attention(const std::vector<double>& qkv, const std::vector<double>& dout,
                               const AttentionShape& shape, const Layout& layout,
                               const GistConfig& config, Visibility visibility,
                               core::DType precision) {
  std::vector<VisibilityCounts> counts;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    counts.push_back(count_row(layout, row, config));
  }
  return dense_attention(
      qkv, dout, shape, layout,
      [&](std::int64_t row, std::int64_t, std::int64_t q, std::int64_t k) {
        return visible(counts[static_cast<std::size_t>(row)], q, k, config, visibility);
      },
      precision);
}

DenseAttention dense_attention(const std::vector<double>& qkv, const std::vector<double>& dout,
                               const AttentionShape& shape, const Layout& layout,
                               const SeesKey& sees, core::DType precision) {
  switch (precision) {
    case core::DType::float64:
      return Dense<double, double>(qkv, dout, shape, layout).run(sees);
    case core::DType::float32:
      return Dense<float, float>(qkv, dout, shape, layout).run(sees);
    case core::DType::bfloat16:
      return Dense<float, core::bfloat16>(qkv, dout, shape, layout).run(sees);
    default:
      break;
  }
  throw core::InternalError("dense_attention", "not a floating dtype");
}

}  // namespace unfold::gsa
