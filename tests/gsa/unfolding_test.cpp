#include "gsa/unfolding.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "autograd/gradient_check.h"
#include "autograd/ops/arithmetic.h"
#include "core/error.h"
#include "gsa/attention.h"
#include "gsa/insertion.h"
#include "gsa/visibility.h"
#include "tests/gsa/dense_attention.h"
#include "tests/gsa/selection_oracle.h"
#include "tests/gsa/unfolding_case.h"

namespace unfold::gsa {
namespace {

using autograd::Variable;
using core::DType;
using core::Tensor;

std::vector<double> random_values(std::int64_t count, std::uint64_t seed) {
  core::Random random(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = random.normal();
  return values;
}

std::vector<double> dout_of(const UnfoldingCase& one) {
  return random_values(one.layout.size() * one.shape.out_width(), 31);
}

Variable qkv_of(const UnfoldingCase& one, DType dtype) {
  const core::Shape shape = {one.layout.size(), one.shape.qkv_width()};
  return Variable(Tensor::from(one.qkv, shape).to(dtype), true);
}

DenseAttention run_op(const UnfoldingCase& one, DType dtype, std::int64_t tile = 64) {
  const Variable qkv = qkv_of(one, dtype);
  const UnfoldingContext context = one.context(tile);
  const auto selection = select(qkv.value(), one.shape, context);
  const Variable out = unfolding_attention(qkv, one.shape, context, *selection);
  autograd::backward({out}, {Tensor::from(dout_of(one), out.shape()).to(dtype)});
  return {out.value().to_vector<double>(), qkv.gradient().to_vector<double>()};
}

DenseAttention run_dense(const UnfoldingCase& one, DType precision = DType::float64) {
  const std::vector<OracleQuery> queries =
      selection_oracle(one.qkv, one.shape, one.layout, one.gist, one.select_from, one.config);
  std::vector<const OracleQuery*> selects(static_cast<std::size_t>(one.layout.size()), nullptr);
  for (const OracleQuery& query : queries) {
    selects[static_cast<std::size_t>(query.row * one.layout.length + query.position)] = &query;
  }
  std::vector<VisibilityCounts> counts;
  for (std::int64_t row = 0; row < one.layout.rows; ++row) {
    counts.push_back(count_row(one.layout, row, one.gist));
  }
  return dense_attention(
      one.qkv, dout_of(one), one.shape, one.layout,
      [&](std::int64_t row, std::int64_t head, std::int64_t q, std::int64_t k) {
        const OracleQuery* query = selects[static_cast<std::size_t>(row * one.layout.length + q)];
        if (query == nullptr) {
          return visible(counts[static_cast<std::size_t>(row)], q, k, one.gist, Visibility::gist);
        }
        const auto kv_head = static_cast<std::size_t>(head / one.shape.group());
        return static_cast<bool>(query->sees[kv_head][static_cast<std::size_t>(k)]);
      },
      precision);
}

double largest_error(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double error = std::abs(a[i] - b[i]);
    if (!(error <= worst)) worst = error;  // NaN counts
  }
  return worst;
}

class UnfoldingOfLevels : public testing::TestWithParam<int> {};

TEST_P(UnfoldingOfLevels, EqualsTheDenseReference) {
  constexpr std::int64_t kTiles[] = {64, 16, 5};
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const UnfoldingCase one =
        make_unfolding_case(seed, GetParam(), 40 + static_cast<std::int64_t>(seed % 50));
    const DenseAttention expected = run_dense(one);
    const DenseAttention actual = run_op(one, DType::float64, kTiles[seed % 3]);
    ASSERT_LE(largest_error(actual.out, expected.out), 1e-13) << "seed " << seed;
    ASSERT_LE(largest_error(actual.dqkv, expected.dqkv), 1e-12) << "seed " << seed;
  }
}

TEST_P(UnfoldingOfLevels, EqualsTheDenseReferenceWithLinks) {
  constexpr std::int64_t kTiles[] = {64, 16, 5};
  std::int64_t queries = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const UnfoldingCase one =
        make_unfolding_case(seed, GetParam(), 60 + static_cast<std::int64_t>(seed % 50), 2, true);
    queries += std::ssize(one.context().table->suffix);
    const DenseAttention expected = run_dense(one);
    const DenseAttention actual = run_op(one, DType::float64, kTiles[seed % 3]);
    ASSERT_LE(largest_error(actual.out, expected.out), 1e-13) << "seed " << seed;
    ASSERT_LE(largest_error(actual.dqkv, expected.dqkv), 1e-12) << "seed " << seed;
  }
  EXPECT_GT(queries, 500);
}

// More queries than a block takes, more keys than a block of columns takes.
TEST_P(UnfoldingOfLevels, LongRows) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    UnfoldingCase one = make_unfolding_case(seed, GetParam(), 20, 1);
    const RandomLayoutOptions options{.rows = 1,
                                      .length = 700,
                                      .levels = GetParam(),
                                      .max_chunks = 120,
                                      .max_suffix = 150,
                                      .padding = false,
                                      .documents = seed % 2 == 0};
    one.layout = random_layout(seed, options);
    one.select_from.clear();
    one.qkv = random_values(one.layout.size() * one.shape.qkv_width(), seed + 5);
    const DenseAttention expected = run_dense(one);
    const DenseAttention actual = run_op(one, DType::float64);
    ASSERT_LE(largest_error(actual.out, expected.out), 1e-13) << "seed " << seed;
    ASSERT_LE(largest_error(actual.dqkv, expected.dqkv), 1e-12) << "seed " << seed;
  }
}

TEST_P(UnfoldingOfLevels, GradientByDifferences) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    UnfoldingCase one = make_unfolding_case(seed, GetParam(), seed < 8 ? 18 : 36, 1, seed >= 8);
    one.config.unfold = static_cast<Unfold>(seed % 3);
    const UnfoldingContext context = one.context();
    const Tensor base = qkv_of(one, DType::float64).value();
    const auto selection = select(base, one.shape, context);
    const Variable weight(Tensor::from(dout_of(one), {one.layout.size(), one.shape.out_width()}));
    const autograd::GradientCheck check = autograd::check_gradient(
        [&](const std::vector<Variable>& inputs) {
          return autograd::sum(autograd::multiply(
              weight, unfolding_attention(inputs[0], one.shape, context, *selection)));
        },
        {base});
    EXPECT_LE(check.worst, 1e-8) << "seed " << seed << " element " << check.element;
  }
}

// Picks of values that every dtype holds exactly are the same; the rest is rounding.
TEST_P(UnfoldingOfLevels, LowPrecisionIsAsGoodAsTheComposedVersion) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    double error = 0;
    double allowed = 0;
    double gradient_error = 0;
    double gradient_allowed = 0;
    const auto add_squares = [](double& to, const std::vector<double>& a,
                                const std::vector<double>& b) {
      for (std::size_t i = 0; i < a.size(); ++i) to += (a[i] - b[i]) * (a[i] - b[i]);
    };
    for (std::uint64_t seed = 200; seed < 230; ++seed) {
      UnfoldingCase one = make_unfolding_case(seed, GetParam(), 60);
      if (one.config.pivot == Pivot::mean_pool || one.config.budget == Budget::top_p) continue;
      for (double& value : one.qkv) value = std::round(value * 4) / 4;
      const DenseAttention expected = run_dense(one);
      const DenseAttention composed = run_dense(one, dtype);
      const DenseAttention actual = run_op(one, dtype);
      add_squares(error, actual.out, expected.out);
      add_squares(allowed, composed.out, expected.out);
      add_squares(gradient_error, actual.dqkv, expected.dqkv);
      add_squares(gradient_allowed, composed.dqkv, expected.dqkv);
    }
    EXPECT_GT(allowed, 0);
    EXPECT_LE(error, 4 * allowed) << core::name_of(dtype);
    EXPECT_LE(gradient_error, 4 * gradient_allowed) << core::name_of(dtype);
  }
}

TEST_P(UnfoldingOfLevels, BitEqualForAnyThreadCount) {
  const int before = omp_get_max_threads();
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const UnfoldingCase one = make_unfolding_case(seed, GetParam(), 200);
    omp_set_num_threads(1);
    const DenseAttention serial = run_op(one, DType::float32);
    for (const int threads : {2, 3}) {
      omp_set_num_threads(threads);
      const DenseAttention parallel = run_op(one, DType::float32);
      EXPECT_EQ(parallel.out, serial.out);
      EXPECT_EQ(parallel.dqkv, serial.dqkv);
    }
    omp_set_num_threads(before);
  }
}

// Limit (a): all chunks picked, no cap: a suffix query is a plain causal one.
TEST_P(UnfoldingOfLevels, EverythingPickedIsCausal) {
  std::size_t compared = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    UnfoldingCase one = make_unfolding_case(seed, GetParam(), 60);
    one.config.budget = Budget::fixed;
    one.config.chunks = 60;
    one.config.quarter_cap = false;
    one.config.anneal = 0;
    one.config.unfold = Unfold::picked_gists;
    const Variable qkv = qkv_of(one, DType::float64);
    const UnfoldingContext context = one.context();
    const Tensor out =
        unfolding_attention(qkv, one.shape, context, *select(qkv.value(), one.shape, context))
            .value();
    const Tensor causal = attention(qkv, one.shape,
                                    std::make_shared<const BlockMap>(
                                        make_block_map(one.layout, one.gist, Visibility::causal)))
                              .value();
    for (const ChunkTable::SuffixQuery& query : context.table->suffix) {
      const std::int64_t token =
          context.table->document_of(query).row * one.layout.length + query.position;
      ASSERT_LE(largest_error(out.slice(0, token, token + 1).to_vector<double>(),
                              causal.slice(0, token, token + 1).to_vector<double>()),
                1e-14)
          << "seed " << seed << " token " << token;
      ++compared;
    }
  }
  EXPECT_GE(compared, 200u);
}

INSTANTIATE_TEST_SUITE_P(Levels, UnfoldingOfLevels, testing::Values(1, 2, 3));

// Limit (b): a single level and P >= number of chunks: so is every query, whatever is picked.
TEST(Unfolding, ManyPreviousChunksAreCausal) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    UnfoldingCase one = make_unfolding_case(seed, 1, 60);
    one.gist.previous_chunks = 60;
    one.config.unfold = Unfold::all_gists;  // section 5 shows prefix queries all of them
    const Variable qkv = qkv_of(one, DType::float64);
    const UnfoldingContext context = one.context();
    const Tensor out =
        unfolding_attention(qkv, one.shape, context, *select(qkv.value(), one.shape, context))
            .value();
    const Tensor causal = attention(qkv, one.shape,
                                    std::make_shared<const BlockMap>(
                                        make_block_map(one.layout, one.gist, Visibility::causal)))
                              .value();
    EXPECT_LE(largest_error(out.to_vector<double>(), causal.to_vector<double>()), 1e-14) << seed;
  }
}

// Limit (c): two levels with all chunks under one top-level gist: prefix rows are those of one
// level.
TEST(Unfolding, OneGroupOfChunksIsASingleLevel) {
  for (const std::int64_t raw : {7, 20, 33}) {
    const GistConfig two{.chunks = {4, 20}, .sinks = 2, .rule = InsertionRule::count};
    const GistConfig single{.chunks = {4}, .sinks = 2, .rule = InsertionRule::count};
    std::vector<std::int8_t> level;
    for (const Element& element : insert_gists(raw, {}, two)) level.push_back(element.level);
    const auto top = static_cast<std::int64_t>(level.size()) - 1;
    ASSERT_EQ(level.back(), 1);
    level.insert(level.end(), 5, -1);
    std::vector<std::int8_t> flat = level;
    flat.erase(flat.begin() + top);
    const AttentionShape shape{4, 2, 8};
    const auto length = static_cast<std::int64_t>(level.size());
    std::vector<double> qkv = random_values(length * shape.qkv_width(), 8);
    const auto run = [&](const std::vector<std::int8_t>& levels_of, const GistConfig& gist) {
      const Layout layout = make_layout(1, std::ssize(levels_of), gist.levels(), levels_of,
                                        std::vector<std::int32_t>(levels_of.size(), 0));
      const UnfoldingContext context = make_unfolding_context(layout, gist, {});
      const Variable values(Tensor::from(qkv, {std::ssize(levels_of), shape.qkv_width()}));
      return unfolding_attention(values, shape, context, *select(values.value(), shape, context))
          .value()
          .slice(0, 0, top)
          .to_vector<double>();
    };
    const std::vector<double> with_two = run(level, two);
    const auto begin = qkv.begin() + top * shape.qkv_width();
    qkv.erase(begin, begin + shape.qkv_width());
    EXPECT_LE(largest_error(run(flat, single), with_two), 1e-15) << raw;
  }
}

TEST(Unfolding, CountsWhatIsAttended) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const UnfoldingCase one = make_unfolding_case(seed, 1 + static_cast<int>(seed % 3), 60);
    const UnfoldingContext context = one.context();
    const auto selection = select(qkv_of(one, DType::float64).value(), one.shape, context);
    const AttendedKeys attended = count_attended(context, one.layout, *selection);
    double suffix_keys = 0;
    std::vector<bool> selects(static_cast<std::size_t>(one.layout.size()), false);
    for (const OracleQuery& query :
         selection_oracle(one.qkv, one.shape, one.layout, one.gist, one.select_from, one.config)) {
      selects[static_cast<std::size_t>(query.row * one.layout.length + query.position)] = true;
      for (const std::vector<bool>& sees : query.sees) {
        suffix_keys += static_cast<double>(std::count(sees.begin(), sees.end(), true)) /
                       static_cast<double>(one.shape.kv_heads);
      }
    }
    std::int64_t prefix_queries = 0;
    std::int64_t prefix_keys = 0;
    for (std::int64_t row = 0; row < one.layout.rows; ++row) {
      const VisibilityCounts counts = count_row(one.layout, row, one.gist);
      for (std::int64_t q = 0; q < one.layout.length; ++q) {
        const auto token = static_cast<std::size_t>(row * one.layout.length + q);
        if (selects[token] || one.layout.document[token] < 0) continue;
        ++prefix_queries;
        for (std::int64_t k = 0; k <= q; ++k) {
          prefix_keys += visible(counts, q, k, one.gist, Visibility::gist) ? 1 : 0;
        }
      }
    }
    EXPECT_EQ(attended.suffix_queries, std::count(selects.begin(), selects.end(), true));
    EXPECT_NEAR(attended.suffix_keys, suffix_keys, 1e-9);
    EXPECT_EQ(attended.prefix_queries, prefix_queries);
    EXPECT_EQ(attended.prefix_keys, prefix_keys);
  }
}

TEST(Unfolding, RefusesAContextThatDoesNotFit) {
  const UnfoldingCase one = make_unfolding_case(1, 1, 40);
  UnfoldingContext context = one.context();
  const Variable qkv = qkv_of(one, DType::float64);
  const auto selection = select(qkv.value(), one.shape, context);
  ASSERT_FALSE(context.table->suffix.empty());
  EXPECT_THROW(unfolding_attention(qkv, {1, 1, 8}, context, *selection), core::InternalError);
  // A map of all queries would compute those that select twice.
  context.map =
      std::make_shared<const BlockMap>(make_block_map(one.layout, one.gist, Visibility::gist));
  EXPECT_THROW(unfolding_attention(qkv, one.shape, context, *selection), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
