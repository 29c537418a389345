// Attention by a plan, which selects where the scores are, against policies asked on the host.
#include "gsa/kernels/step.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "gsa/cached_attention.h"
#include "gsa/insertion.h"
#include "tests/support/gpu.h"

namespace unfold::gsa {
namespace {

using core::Device;
using core::DType;
using core::Tensor;

constexpr Device kGpu{core::DeviceType::cuda, 0};

struct StepCase {
  const char* name;
  PolicyKind kind;
  AttentionShape shape;
  std::vector<std::int64_t> chunks;
  std::int64_t raw;  // tokens of the context
  SelectionConfig selection = {};
  bool ties = false;  // scores are small integers: most picks are decided by index
};

const std::vector<StepCase> kCases = {
    {"full", PolicyKind::full, {9, 3, 64}, {8}, 3000},
    {"section5", PolicyKind::gist_only, {9, 3, 64}, {4, 4}, 900},
    {"streaming", PolicyKind::streaming, {4, 2, 64}, {8}, 900},
    {"gsa_64", PolicyKind::gsa, {9, 3, 64}, {8}, 6000},
    {"gsa_128_group_7", PolicyKind::gsa, {7, 1, 128}, {8}, 2000},
    {"gsa_odd_width", PolicyKind::gsa, {4, 2, 20}, {5}, 700},
    {"gsa_more_than_a_sweep", PolicyKind::gsa, {2, 2, 64}, {1}, 5000},
    {"gsa_ties", PolicyKind::gsa, {4, 1, 64}, {4}, 9000, {}, true},
    {"gsa_all",
     PolicyKind::gsa,
     {3, 3, 64},
     {8},
     500,
     {.budget = Budget::fixed, .chunks = 1000, .quarter_cap = false}},
    {"gsa_none", PolicyKind::gsa, {3, 3, 64}, {8}, 500, {.budget = Budget::fixed, .chunks = 0}},
    {"gsa_no_gists", PolicyKind::gsa, {4, 2, 64}, {8}, 900, {.unfold = Unfold::no_gists}},
    {"gsa_all_gists", PolicyKind::gsa, {4, 2, 64}, {8}, 900, {.unfold = Unfold::all_gists}},
    {"h_gsa_2", PolicyKind::h_gsa, {32, 8, 64}, {4, 4}, 5000},
    {"h_gsa_3_ties", PolicyKind::h_gsa, {4, 2, 64}, {3, 2, 3}, 6000, {}, true},
    {"h_gsa_group_1", PolicyKind::h_gsa, {2, 2, 64}, {2, 5}, 900},
};

// Normal values, or -1, 0 and 1, most of them 0.
Tensor values(const core::Shape& shape, bool ties, std::uint64_t seed, DType dtype, Device device) {
  core::Random random(seed, 3);
  std::vector<double> all(static_cast<std::size_t>(core::element_count(shape)));
  for (double& value : all) {
    value = ties ? static_cast<double>(random.below(8) == 0) - (random.below(8) == 0 ? 1.0 : 0.0)
                 : random.normal();
  }
  // The same numbers in every dtype.
  return Tensor::from(all, shape).to(DType::bfloat16).to(dtype).to(device);
}

struct StepResult {
  std::vector<double> out;
  ReadCount count;
};

// Some raw tokens and then three at once behind a context, in a selecting layer and in one before.
StepResult run(const StepCase& one, DType dtype, Device device, bool by_plan) {
  GistConfig gist;
  gist.chunks = one.chunks;
  gist.rule = InsertionRule::count;
  const PolicyConfig config{.kind = one.kind, .selection = one.selection};
  const auto policy = make_policy(config, gist, one.shape);
  const int levels = gist.levels();
  constexpr std::int64_t kLayers = 2;
  SequenceTokens tokens(levels);
  if (policy->gists()) {
    for (const Element& element : insert_gists(one.raw, {}, gist)) tokens.append(element.level);
  } else {
    for (std::int64_t i = 0; i < one.raw; ++i) tokens.append(-1);
  }
  const SequenceFacts facts{tokens.size(), tokens.size()};
  std::vector<KeyStore> stores(kLayers, KeyStore(one.shape, levels, dtype, device));
  std::vector<std::vector<std::unique_ptr<HeadPolicy>>> heads(kLayers);
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    KeyStore& store = stores[static_cast<std::size_t>(layer)];
    for (int section = 0; section < tokens.sections(); ++section) {
      const std::int64_t count = tokens.before(section, tokens.size());
      if (count == 0) continue;
      store.extend(section, count);
      for (const Tensor* to : {&store.keys(section), &store.values(section)}) {
        const auto seed = static_cast<std::uint64_t>(layer * 100 + section * 10) +
                          (to == &store.keys(section) ? 0 : 1);
        const Tensor from = values(to->shape(), one.ties, seed, dtype, device);
        core::copy_bytes(device, to->raw(), device, from.raw(), from.bytes());
      }
    }
    for (std::int64_t head = 0; head < one.shape.kv_heads; ++head) {
      heads[static_cast<std::size_t>(layer)].push_back(policy->head(facts, layer, head));
    }
  }
  StepResult result;
  StepPlan plan(one.shape, kLayers, levels, dtype, device);
  DeviceChildren children;
  for (std::int64_t step = 0; step < 5; ++step) {
    const std::int64_t first = tokens.size();
    const std::int64_t rows = step < 4 ? 1 : 3;
    for (std::int64_t i = 0; i < rows; ++i) tokens.append(-1);
    StepSequence planned{&tokens, facts, stores, &children, first, facts.context};
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(rows), 0);
    if (by_plan) {
      EXPECT_TRUE(plan.set(*policy, std::span(&planned, 1), ids));
      result.count.keys += plan.fixed().front().keys;
      result.count.units += plan.fixed().front().units;
    }
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      const auto seed = static_cast<std::uint64_t>(1000 + step * 10 + layer);
      const Tensor qkv = values({rows, one.shape.qkv_width()}, one.ties, seed, dtype, device);
      Tensor out;
      if (by_plan) {
        out = planned_attention(qkv, nullptr, plan, layer);
      } else {
        CachedTokens sequence;
        sequence.tokens = &tokens;
        sequence.store = &stores[static_cast<std::size_t>(layer)];
        sequence.heads = heads[static_cast<std::size_t>(layer)];
        sequence.first = first;
        sequence.prefix = facts.context;
        sequence.observe_from = facts.prompt;
        out = cached_attention(qkv, one.shape, nullptr, std::span(&sequence, 1));
        result.count += sequence.count;
      }
      const std::vector<double> more = out.to_vector<double>();
      result.out.insert(result.out.end(), more.begin(), more.end());
    }
  }
  if (by_plan) {
    const StepPlan::Reads reads = plan.take_reads().front();
    result.count.keys += reads.keys;
    result.count.scored += reads.scored;
  }
  return result;
}

void expect_equal(const StepResult& got, const StepResult& expected, double tolerance) {
  ASSERT_EQ(got.out.size(), expected.out.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.out.size(); ++i) {
    const double difference = std::abs(got.out[i] - expected.out[i]);
    if (!(difference <= worst)) worst = difference;
  }
  EXPECT_LE(worst, tolerance);
  EXPECT_EQ(got.count.keys, expected.count.keys);
  EXPECT_EQ(got.count.scored, expected.count.scored);
  EXPECT_EQ(got.count.units, expected.count.units);
}

double tolerance_of(DType dtype) {
  return dtype == DType::float64 ? 1e-11 : dtype == DType::float32 ? 1e-5 : 0.03;
}

class Step : public testing::TestWithParam<StepCase> {};

TEST_P(Step, ThePlanReadsWhatThePolicyReads) {
  const StepResult expected = run(GetParam(), DType::float64, {}, false);
  expect_equal(run(GetParam(), DType::float64, {}, true), expected, tolerance_of(DType::float64));
}

TEST_P(Step, CudaAgreesWithCpu) {
  UNFOLD_NEEDS_GPU();
  const StepResult expected = run(GetParam(), DType::float64, {}, false);
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    SCOPED_TRACE(name_of(dtype));
    const StepResult first = run(GetParam(), dtype, kGpu, true);
    expect_equal(first, expected, tolerance_of(dtype));
    EXPECT_EQ(run(GetParam(), dtype, kGpu, true).out, first.out) << "not the same bits twice";
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Step, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace unfold::gsa
