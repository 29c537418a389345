// Counting what queries read, against the rule for single pairs.
#include <gtest/gtest.h>

#include "core/error.h"
#include "gsa/block_map.h"
#include "gsa/visibility.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {
namespace {

TEST(VisiblePairs, OfSomeQueriesEqualTheRule) {
  for (const int levels : {1, 2, 3}) {
    const RandomLayoutOptions options{.rows = 2, .length = 48, .levels = levels};
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      const Layout layout = random_layout(seed, options);
      const GistConfig config = random_gist_config(seed, options);
      for (const Visibility mode : {Visibility::gist, Visibility::full, Visibility::causal}) {
        const Reach reach = compute_reach(layout, config, mode);
        for (std::int64_t row = 0; row < layout.rows; ++row) {
          const VisibilityCounts counts = count_row(layout, row, config);
          std::vector<std::int64_t> read(static_cast<std::size_t>(layout.length), 0);
          for (std::int64_t q = 0; q < layout.length; ++q) {
            for (std::int64_t k = 0; k <= q; ++k) {
              read[static_cast<std::size_t>(q)] += visible(counts, q, k, config, mode) ? 1 : 0;
            }
          }
          std::int64_t sum = 0;
          for (std::int64_t q = 0; q < layout.length; ++q) {
            const std::int64_t one = read[static_cast<std::size_t>(q)];
            ASSERT_EQ(count_visible_pairs(reach, row, q, q + 1), one) << "row " << row << " " << q;
            sum += one;
            ASSERT_EQ(count_visible_pairs(reach, row, 0, q + 1), sum);
          }
          EXPECT_EQ(count_visible_pairs(reach, row, 5, 5), 0);
        }
      }
    }
  }
}

TEST(VisiblePairs, OutsideTheRowIsABug) {
  const Layout layout = random_layout(1, {.rows = 1, .length = 8});
  const Reach reach = compute_reach(layout, {}, Visibility::gist);
  EXPECT_THROW(count_visible_pairs(reach, 1, 0, 8), core::InternalError);
  EXPECT_THROW(count_visible_pairs(reach, 0, 3, 9), core::InternalError);
  EXPECT_THROW(count_visible_pairs(reach, 0, 4, 3), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
