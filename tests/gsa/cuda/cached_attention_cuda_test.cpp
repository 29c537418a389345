// Attention over cached keys on the GPU against the CPU: prefill and decoding under every policy.
#include "gsa/cached_attention.h"

#include <gtest/gtest.h>

#include "tests/gsa/attention_case.h"
#include "tests/gsa/cached_case.h"
#include "tests/gsa/cuda/on_device.h"
#include "tests/support/case_count.h"

namespace unfold::gsa {
namespace {

using core::Device;
using core::DType;
using core::Tensor;

class CudaCachedAttention : public testing::TestWithParam<std::string> {};

TEST_P(CudaCachedAttention, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  struct Heads {
    AttentionShape shape;
    int levels;
  };
  constexpr Heads kHeads[] = {{{4, 2, 64}, 1},  {{4, 1, 128}, 2}, {{2, 2, 12}, 1}, {{4, 2, 64}, 2},
                              {{4, 1, 128}, 1}, {{2, 2, 12}, 2},  {{7, 1, 8}, 1},  {{7, 1, 8}, 2},
                              {{18, 1, 4}, 1},  {{18, 1, 4}, 2}};
  std::uint64_t seed = 0;
  for (const Heads& heads : test::cases(kHeads)) {
    CachedCase one{heads.shape, {}, {}, ++seed};
    one.gist.chunks =
        heads.levels == 1 ? std::vector<std::int64_t>{4} : std::vector<std::int64_t>{4, 3};
    one.config.kind = *policy_from_name(GetParam());
    one.config.ratio = 4;
    one.config.selection.quarter_cap = false;
    const CachedResult host = run_cached(one, DType::float64, {});
    const CachedResult there = run_cached(one, DType::float64, kGpu);
    EXPECT_LE(largest_error(there.out, host.out), 1e-10) << "seed " << seed;
    EXPECT_EQ(there.keys, host.keys);
    EXPECT_EQ(there.scored, host.scored);
    EXPECT_EQ(there.units, host.units);
    EXPECT_EQ(there.spans, host.spans) << "seed " << seed;
    EXPECT_GT(there.units, 0);
    // Equal inputs in every dtype; a policy that weighs in float32 may choose otherwise.
    if (GetParam() == "h2o" || GetParam() == "snapkv") continue;
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      const CachedResult low = run_cached(one, dtype, kGpu);
      EXPECT_EQ(low.spans, host.spans) << "seed " << seed;
      EXPECT_LE(largest_error(low.out, host.out), dtype == DType::float32 ? 1e-5 : 0.05)
          << "seed " << seed;
    }
  }
}

TEST_P(CudaCachedAttention, TheSameBitsTwice) {
  UNFOLD_NEEDS_GPU();
  CachedCase one{{4, 2, 64}, {}, {}, 3};
  one.gist.chunks = {4};
  one.config.kind = *policy_from_name(GetParam());
  one.config.ratio = 4;
  const CachedResult first = run_cached(one, DType::bfloat16, kGpu);
  const CachedResult second = run_cached(one, DType::bfloat16, kGpu);
  EXPECT_EQ(first.out, second.out);
  EXPECT_EQ(first.spans, second.spans);
}

INSTANTIATE_TEST_SUITE_P(Policies, CudaCachedAttention, testing::ValuesIn(policy_names()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace unfold::gsa
