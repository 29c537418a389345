// Attention over spans of cached keys against its formula, in double.
#include "gsa/cpu/span_attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::DType;
using core::Tensor;

struct SpanCase {
  AttentionShape shape;
  std::int64_t raw, gists;  // keys in the store
  std::vector<CacheSpan> spans;
};

// Short spans, one key, spans longer than a block, more queries than lanes, odd widths.
const std::vector<SpanCase> kCases = {
    {{9, 3, 64}, 300, 40, {{0, 0, 4}, {0, 16, 24}, {0, 290, 300}, {1, 3, 11}, {1, 39, 40}}},
    {{2, 2, 64}, 5, 0, {{0, 4, 5}}},
    {{4, 2, 20}, 900, 10, {{0, 1, 700}, {0, 701, 900}, {1, 0, 10}}},
    {{19, 1, 7}, 520, 9, {{0, 0, 256}, {0, 257, 513}, {1, 8, 9}}},
    {{7, 1, 128}, 257, 0, {{0, 0, 257}}},
};

Tensor normal_values(const core::Shape& shape, std::uint64_t seed, DType dtype) {
  core::Random random(seed, 5);
  std::vector<double> all(static_cast<std::size_t>(core::element_count(shape)));
  for (double& value : all) value = 2 * random.normal();
  return Tensor::from(all, shape).to(DType::bfloat16).to(dtype);  // the same in every dtype
}

template <typename T>
void expect_formula(const SpanCase& one, DType dtype, double tolerance) {
  const AttentionShape& shape = one.shape;
  KeyStore store(shape, 1, dtype, {});
  std::uint64_t seed = 0;
  for (const auto& [section, count] : {std::pair{0, one.raw}, std::pair{1, one.gists}}) {
    if (count == 0) continue;
    store.extend(section, count);
    for (const Tensor* to : {&store.keys(section), &store.values(section)}) {
      const Tensor from = normal_values(to->shape(), ++seed, dtype);
      core::copy_bytes({}, to->raw(), {}, from.raw(), from.bytes());
    }
  }
  const Tensor query = normal_values({shape.group(), shape.width}, 100, dtype);
  const std::vector<double> q = query.to_vector<double>();
  SpanAttention<T> attention(shape);
  for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
    const Tensor out = Tensor::empty({shape.group(), shape.width}, dtype);
    attention.run(query.data<T>(), store, kv_head, one.spans, out.data<T>());
    const std::vector<double> got = out.to_vector<double>();
    std::vector<double> got_weights, weights;
    attention.weights(got_weights);
    for (std::int64_t h = 0; h < shape.group(); ++h) {
      std::vector<double> exps, sums(static_cast<std::size_t>(shape.width));
      double total = 0;
      for (const CacheSpan& span : one.spans) {
        const std::vector<double> k = store.keys(span.section).to_vector<double>();
        const std::vector<double> v = store.values(span.section).to_vector<double>();
        const std::int64_t capacity = store.keys(span.section).dim(1);
        for (std::int64_t j = span.begin; j < span.end; ++j) {
          const auto row = static_cast<std::size_t>((kv_head * capacity + j) * shape.width);
          double score = 0;
          for (std::size_t d = 0; d < sums.size(); ++d) {
            score += q[static_cast<std::size_t>(h) * sums.size() + d] * k[row + d];
          }
          const double e = std::exp(score / std::sqrt(static_cast<double>(shape.width)));
          for (std::size_t d = 0; d < sums.size(); ++d) sums[d] += e * v[row + d];
          exps.push_back(e);
          total += e;
        }
      }
      weights.resize(exps.size());
      for (std::size_t j = 0; j < exps.size(); ++j) weights[j] += exps[j] / total;
      for (std::size_t d = 0; d < sums.size(); ++d) {
        EXPECT_NEAR(got[static_cast<std::size_t>(h) * sums.size() + d], sums[d] / total, tolerance);
      }
    }
    ASSERT_EQ(got_weights.size(), weights.size());
    for (std::size_t j = 0; j < weights.size(); ++j) {
      EXPECT_NEAR(got_weights[j], weights[j], std::min(tolerance, 1e-4)) << j;
    }
  }
}

TEST(SpanAttention, IsTheFormula) {
  for (const SpanCase& one : kCases) {
    SCOPED_TRACE(fmt::format("{} heads of {}", one.shape.heads, one.shape.width));
    expect_formula<double>(one, DType::float64, 1e-12);
    expect_formula<float>(one, DType::float32, 2e-5);
    expect_formula<core::bfloat16>(one, DType::bfloat16, 4e-2);
  }
}

}  // namespace
}  // namespace unfold::gsa::kernels::cpu
