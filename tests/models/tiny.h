// Small models and rows for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/insertion.h"
#include "gsa/layout.h"
#include "models/decoder.h"
#include "models/generate.h"

namespace unfold::models {

inline constexpr std::int64_t kTinyVocabulary = 19;

// Two layers, four query heads on two key heads. Weights are large enough to matter.
inline DecoderConfig tiny_config() {
  DecoderConfig config;
  config.vocab_size = kTinyVocabulary;
  config.width = 16;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.ffn = 24;
  config.init_std = 0.3;
  return config;
}

// `raw` tokens in chunks with their gists, then `suffix` raw tokens.
inline Prompt tiny_prompt(std::int64_t raw, std::int64_t suffix, const gsa::GistConfig& gist,
                          std::uint64_t seed) {
  core::Random random(seed);
  const auto token = [&] {
    return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(kTinyVocabulary)));
  };
  Prompt prompt;
  gsa::GistConfig by_count = gist;
  by_count.rule = gsa::InsertionRule::count;
  if (gist.levels() > 0) {
    for (const gsa::Element& element : gsa::insert_gists(raw, {}, by_count)) {
      prompt.level.push_back(element.level);
      prompt.tokens.push_back(
          element.level < 0 ? token() : static_cast<std::int32_t>(kTinyVocabulary) + element.level);
    }
  }
  for (std::int64_t i = gist.levels() > 0 ? 0 : -raw; i < suffix; ++i) {
    prompt.level.push_back(-1);
    prompt.tokens.push_back(token());
  }
  return prompt;
}

inline gsa::Layout one_row(const std::vector<std::int8_t>& level, int levels) {
  return gsa::make_layout(1, static_cast<std::int64_t>(level.size()), levels, level,
                          std::vector<std::int32_t>(level.size(), 0));
}

// A batch of rows: documents of gisted text with a raw tail, cut at the row's end, some padding.
struct TinyBatch {
  gsa::Layout layout;
  std::vector<std::int32_t> tokens, targets;  // targets: the next raw token, -1 for none
};

inline TinyBatch tiny_batch(std::int64_t rows, std::int64_t length, const gsa::GistConfig& gist,
                            std::uint64_t seed) {
  std::vector<std::int8_t> level;
  std::vector<std::int32_t> document;
  TinyBatch batch;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t used = row % 2 == 0 ? length : length - 3;
    std::int32_t index = 0;
    for (std::int64_t t = 0; t < used; ++index) {
      const Prompt prompt =
          tiny_prompt(9 + index * 4, 3, gist, seed + static_cast<std::uint64_t>(row * 100 + index));
      for (std::size_t i = 0; i < prompt.tokens.size() && t < used; ++i, ++t) {
        batch.tokens.push_back(prompt.tokens[i]);
        level.push_back(prompt.level[i]);
        document.push_back(index);
      }
    }
    for (std::int64_t t = used; t < length; ++t) {
      batch.tokens.push_back(0);
      level.push_back(-1);
      document.push_back(-1);
    }
  }
  for (std::size_t i = 0; i < level.size(); ++i) {
    const bool inside = (i + 1) % static_cast<std::size_t>(length) != 0;
    const bool has_target =
        inside && document[i] >= 0 && document[i + 1] == document[i] && level[i + 1] < 0;
    batch.targets.push_back(has_target ? batch.tokens[i + 1] : -1);
  }
  batch.layout = gsa::make_layout(rows, length, gist.levels(), level, document);
  return batch;
}

// NaN counts as the largest.
inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

}  // namespace unfold::models
