// Random attention cases and the errors they are judged by, for the tests of every device.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"
#include "gsa/block_map.h"
#include "tests/gsa/dense_attention.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {

inline constexpr Visibility kModes[] = {Visibility::gist, Visibility::full, Visibility::causal};
// Groups of 1, 2, 4 and 7; widths that fill vectors and widths that do not.
inline constexpr AttentionShape kAttentionShapes[] = {
    {2, 2, 8}, {4, 2, 24}, {4, 1, 40}, {7, 1, 12}, {2, 1, 64}, {3, 3, 9}, {14, 2, 20}};
inline constexpr std::int64_t kTiles[] = {16, 64, 5, 32, 1, 100};

inline std::vector<double> random_values(std::int64_t count, std::uint64_t seed,
                                         core::DType rounded_to, double scale = 1.0) {
  core::Random random(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return core::Tensor::from(values, {count}).to(rounded_to).to_vector<double>();
}

struct AttentionCase {
  AttentionShape shape;
  Layout layout;
  GistConfig config;
  Visibility visibility;
  std::int64_t tile;
  std::vector<double> qkv, dout;
};

// links: rows of prompts with links, under Visibility::gist.
inline AttentionCase make_attention_case(std::uint64_t seed, int levels, std::int64_t length,
                                         core::DType dtype, bool links = false) {
  const RandomLayoutOptions options{.rows = 2, .length = length, .levels = levels, .links = links};
  AttentionCase one{kAttentionShapes[seed % std::size(kAttentionShapes)],
                    random_layout(seed, options),
                    random_gist_config(seed, options),
                    links ? Visibility::gist : kModes[seed % 3],
                    kTiles[seed % std::size(kTiles)],
                    {},
                    {}};
  one.config.previous_chunks %= 3;
  one.qkv = random_values(one.layout.size() * one.shape.qkv_width(), seed * 2 + 1, dtype);
  one.dout = random_values(one.layout.size() * one.shape.out_width(), seed * 2 + 2, dtype);
  return one;
}

inline std::shared_ptr<const BlockMap> map_of(const AttentionCase& one) {
  return std::make_shared<const BlockMap>(
      make_block_map(one.layout, one.config, one.visibility, one.tile));
}

inline DenseAttention run_dense(const AttentionCase& one, core::DType precision) {
  return dense_attention(one.qkv, one.dout, one.shape, one.layout, one.config, one.visibility,
                         precision);
}

inline double largest_error(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - b[i]);
    if (!(error <= worst)) worst = error;  // NaN counts
  }
  return worst;
}

inline double mean_square_error(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += (a[i] - b[i]) * (a[i] - b[i]);
  return total / static_cast<double>(a.size());
}

}  // namespace unfold::gsa
