#include "gsa/cached_attention.h"

#include <gtest/gtest.h>
#include <omp.h>

#include "tests/gsa/cached_case.h"

namespace unfold::gsa {
namespace {

using core::DType;

class CachedAttention : public testing::TestWithParam<std::string> {};

// A question far longer than what a thread gets at least: heads are cut between threads.
TEST_P(CachedAttention, ManyThreadsGiveTheBitsOfOne) {
  CachedCase one{{4, 2, 16}, {}, {}, 5, 300, 900};
  one.config.kind = *policy_from_name(GetParam());
  one.config.ratio = 4;
  const int before = omp_get_max_threads();
  for (const std::vector<std::int64_t>& chunks : {std::vector<std::int64_t>{4}, {4, 3}}) {
    one.gist.chunks = chunks;
    omp_set_num_threads(1);
    const CachedResult alone = run_cached(one, DType::bfloat16, {});
    EXPECT_GT(alone.units, 0);
    for (const int threads : {2, 7}) {
      omp_set_num_threads(threads);
      const CachedResult together = run_cached(one, DType::bfloat16, {});
      EXPECT_EQ(together.out, alone.out) << threads << " threads";
      EXPECT_EQ(together.keys, alone.keys);
      EXPECT_EQ(together.scored, alone.scored);
      EXPECT_EQ(together.units, alone.units);
      EXPECT_EQ(together.spans, alone.spans) << threads << " threads";
    }
  }
  omp_set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Policies, CachedAttention, testing::ValuesIn(policy_names()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace unfold::gsa
