// Full attention by cuDNN: against the CPU, by the rule of low precision, and twice for equal bits.
// In a build without cuDNN the same cases run on our own kernels, which the rule holds for as well.
#include <gtest/gtest.h>

#include <algorithm>

#include "gsa/kernels/attention.h"
#include "tests/gsa/attention_case.h"
#include "tests/gsa/cuda/on_device.h"

namespace unfold::gsa {
namespace {

using core::Device;
using core::DType;
using core::Tensor;

class CudaCudnnAttention : public testing::Test {
 protected:
  void SetUp() override { ::setenv("UNFOLD_CUDNN", "1", 1); }
  void TearDown() override { ::setenv("UNFOLD_CUDNN", "0", 1); }
};

// Rows of raw tokens: the lengths of each row's documents, then padding.
Layout raw_rows(std::int64_t length, const std::vector<std::vector<std::int64_t>>& documents) {
  std::vector<std::int32_t> document;
  for (const std::vector<std::int64_t>& row : documents) {
    std::int32_t index = 0;
    const auto end = document.size() + static_cast<std::size_t>(length);
    for (const std::int64_t tokens : row) {
      document.insert(document.end(), static_cast<std::size_t>(tokens), index++);
    }
    EXPECT_LE(document.size(), end);
    document.resize(end, -1);
  }
  const std::vector<std::int8_t> level(document.size(), -1);
  return make_layout(static_cast<std::int64_t>(documents.size()), length, 0, level, document);
}

Layout full_rows(std::int64_t rows, std::int64_t length) {
  return raw_rows(length,
                  std::vector<std::vector<std::int64_t>>(static_cast<std::size_t>(rows), {length}));
}

AttentionCase make_case(const Layout& layout, const AttentionShape& shape, std::uint64_t seed) {
  AttentionCase one{shape, layout, {.chunks = {}}, Visibility::full, 64, {}, {}};
  one.qkv = random_values(layout.size() * shape.qkv_width(), seed * 2 + 1, DType::bfloat16);
  one.dout = random_values(layout.size() * shape.out_width(), seed * 2 + 2, DType::bfloat16);
  return one;
}

AttentionResult run(const AttentionCase& one, DType dtype, Device device) {
  const std::int64_t tokens = one.layout.size();
  const Tensor qkv = make_tensor(one.qkv, {tokens, one.shape.qkv_width()}, dtype, device);
  const Tensor dout = make_tensor(one.dout, {tokens, one.shape.out_width()}, dtype, device);
  const Tensor out = filled({tokens, one.shape.out_width()}, 7, dtype, device);
  const Tensor lse = filled({tokens, one.shape.heads}, 7, core::accumulator_of(dtype), device);
  const Tensor dqkv = filled({tokens, one.shape.qkv_width()}, 7, dtype, device);
  const auto map = map_of(one);
  kernels::attention(qkv, one.shape, *map, out, lse);
  kernels::attention_backward(dout, qkv, out, lse, one.shape, *map, dqkv);
  return {out.to_vector<double>(), lse.to_vector<double>(), dqkv.to_vector<double>()};
}

double largest_of(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

// The rule: the error against float64 is at most twice that of the composed version; where that is
// exact (a row of one token has no gradient but that of its value), what float32 sums round.
void expect_within_rule(const AttentionCase& one, const std::string& what) {
  const DenseAttention expected = run_dense(one, DType::float64);
  const DenseAttention composed = run_dense(one, DType::bfloat16);
  const AttentionResult actual = run(one, DType::bfloat16, kGpu);
  EXPECT_LE(std::sqrt(mean_square_error(actual.out, expected.out)),
            2 * std::sqrt(mean_square_error(composed.out, expected.out)))
      << what;
  EXPECT_LE(std::sqrt(mean_square_error(actual.dqkv, expected.dqkv)),
            2 * std::sqrt(mean_square_error(composed.dqkv, expected.dqkv)) +
                1e-6 * largest_of(expected.dqkv))
      << what;
  const AttentionResult host = run(one, DType::float64, {});
  EXPECT_LE(largest_error(actual.lse, host.lse), 1e-3) << what;
  // No single value is off, as one at a wrong place would be.
  EXPECT_LE(largest_error(actual.out, host.out), 0.05) << what;
  EXPECT_LE(largest_error(actual.dqkv, host.dqkv), 0.03 * largest_of(host.dqkv)) << what;
}

// Groups of 1, 2, 3 and 7.
constexpr AttentionShape kShapes[] = {{2, 2, 64},  {3, 1, 64},  {9, 3, 64}, {7, 1, 64}, {2, 2, 128},
                                      {6, 2, 128}, {7, 1, 128}, {4, 2, 80}, {3, 1, 96}};

std::string name_of(const AttentionShape& shape) {
  return std::to_string(shape.heads) + "/" + std::to_string(shape.kv_heads) + " heads of " +
         std::to_string(shape.width);
}

TEST_F(CudaCudnnAttention, WholeRows) {
  UNFOLD_NEEDS_GPU();
  std::uint64_t seed = 0;
  for (const AttentionShape& shape : kShapes) {
    for (const std::int64_t length : {128, 384}) {
      const AttentionCase one = make_case(full_rows(2, length), shape, ++seed);
      ASSERT_TRUE(map_of(one)->causal_rows());
      expect_within_rule(one, name_of(shape) + ", length " + std::to_string(length));
    }
  }
}

TEST_F(CudaCudnnAttention, LengthsThatFillNoBlock) {
  UNFOLD_NEEDS_GPU();
  std::uint64_t seed = 100;
  for (const AttentionShape& shape : kShapes) {
    for (const std::int64_t length : {1, 65, 200, 333}) {
      const AttentionCase one = make_case(full_rows(3, length), shape, ++seed);
      expect_within_rule(one, name_of(shape) + ", length " + std::to_string(length));
    }
  }
}

TEST_F(CudaCudnnAttention, PackedDocumentsAndPadding) {
  UNFOLD_NEEDS_GPU();
  const Layout layouts[] = {
      raw_rows(400, {{400}, {390}, {1}, {}}),
      raw_rows(400, {{100, 257, 1, 2, 40}, {300, 3, 97}, {256, 128}}),
      raw_rows(70, {{30, 40}}),
  };
  std::uint64_t seed = 200;
  for (const AttentionShape& shape : kShapes) {
    for (const Layout& layout : layouts) {
      const AttentionCase one = make_case(layout, shape, ++seed);
      ASSERT_FALSE(map_of(one)->causal_documents.empty());
      expect_within_rule(one, name_of(shape) + ", layout " + std::to_string(seed % 3));
    }
  }
}

// Many more documents than a call takes.
TEST_F(CudaCudnnAttention, ManyShortDocuments) {
  UNFOLD_NEEDS_GPU();
  std::vector<std::vector<std::int64_t>> rows(4);
  for (std::vector<std::int64_t>& row : rows) row.assign(150, 3);
  const AttentionCase one = make_case(raw_rows(460, rows), {3, 1, 64}, 300);
  expect_within_rule(one, "600 documents");
}

TEST_F(CudaCudnnAttention, TheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  std::uint64_t seed = 400;
  for (const AttentionShape& shape : {AttentionShape{9, 3, 64}, AttentionShape{7, 1, 128}}) {
    for (const Layout& layout :
         {full_rows(3, 1024), full_rows(2, 777), raw_rows(900, {{500, 300, 80}, {900}})}) {
      const AttentionCase one = make_case(layout, shape, ++seed);
      const AttentionResult first = run(one, DType::bfloat16, kGpu);
      for (int i = 0; i < 3; ++i) EXPECT_EQ(run(one, DType::bfloat16, kGpu), first);
    }
  }
}

void expect_equal_to_our_own(const AttentionCase& one, const std::string& what) {
  const AttentionResult by_cudnn = run(one, DType::bfloat16, kGpu);
  ::setenv("UNFOLD_CUDNN", "0", 1);
  const AttentionResult by_us = run(one, DType::bfloat16, kGpu);
  ::setenv("UNFOLD_CUDNN", "1", 1);
  EXPECT_LE(largest_error(by_cudnn.lse, by_us.lse), 1e-3) << what;
  EXPECT_LE(largest_error(by_cudnn.out, by_us.out), 0.03 * largest_of(by_us.out)) << what;
  EXPECT_LE(largest_error(by_cudnn.dqkv, by_us.dqkv), 0.03 * largest_of(by_us.dqkv)) << what;
}

TEST_F(CudaCudnnAttention, AgreesWithOurOwnKernels) {
  UNFOLD_NEEDS_GPU();
  expect_equal_to_our_own(make_case(full_rows(2, 256), {9, 3, 64}, 500), "rows");
  expect_equal_to_our_own(make_case(raw_rows(300, {{120, 170}, {300}}), {9, 3, 64}, 501),
                          "documents");
}

// What one call of the backward keeps is bounded: here it takes a row at a time, a key head at a
// time, and documents of one batch size at a time.
TEST_F(CudaCudnnAttention, BackwardsInParts) {
  UNFOLD_NEEDS_GPU();
  expect_equal_to_our_own(make_case(full_rows(3, 8192), {4, 2, 64}, 600), "rows");
  expect_equal_to_our_own(make_case(full_rows(1, 16384), {4, 2, 64}, 601), "key heads");
  expect_equal_to_our_own(make_case(raw_rows(8200, {{8200}, {4100, 4099}}), {4, 2, 64}, 602),
                          "documents");
}

}  // namespace
}  // namespace unfold::gsa
