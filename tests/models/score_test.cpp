#include "models/score.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "gsa/visibility.h"
#include "tests/models/naive_decoder.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

using gsa::Visibility;

TEST(ScoreRows, EqualsTheFormulas) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{}, {3}, {2, 2}}) {
    const gsa::GistConfig gist{.chunks = chunks, .sinks = 1};
    Decoder decoder(tiny_config(), gist.levels(), core::DType::float64, {}, 3);
    const TinyBatch batch = tiny_batch(3, 37, gist, 1);
    for (const Visibility mode : {Visibility::gist, Visibility::full, Visibility::causal}) {
      const RowScores scores =
          score_rows(decoder, batch.layout, batch.tokens, batch.targets, gist, mode);
      const std::vector<double> logits =
          naive_logits(decoder, batch.layout, batch.tokens, gist, mode);
      ASSERT_EQ(scores.loss.size(), batch.targets.size());
      for (std::size_t i = 0; i < batch.targets.size(); ++i) {
        const auto token = static_cast<std::int64_t>(i);
        if (batch.targets[i] < 0) {
          EXPECT_EQ(scores.loss[i], 0);
          continue;
        }
        EXPECT_NEAR(scores.loss[i], naive_loss(logits, kTinyVocabulary, token, batch.targets[i]),
                    1e-5);
      }
      std::int64_t pairs = 0;
      std::int64_t queries = 0;
      for (std::int64_t r = 0; r < 3; ++r) {
        const gsa::VisibilityCounts counts = gsa::count_row(batch.layout, r, gist);
        for (std::int64_t q = 0; q < 37; ++q) {
          if (counts.document[static_cast<std::size_t>(q)] < 0) continue;
          ++queries;
          for (std::int64_t k = 0; k < 37; ++k) {
            pairs += gsa::visible(counts, q, k, gist, mode) ? 1 : 0;
          }
        }
      }
      EXPECT_EQ(scores.visible_pairs, pairs);
      EXPECT_EQ(scores.queries, queries);
    }
  }
}

}  // namespace
}  // namespace unfold::models
