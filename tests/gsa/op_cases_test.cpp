// The ops of gsa as op cases: gradients, low precision, and agreement of devices.
#include <fmt/format.h>

#include "gsa/attention.h"
#include "gsa/unfolding.h"
#include "tests/autograd/op_case_tests.h"
#include "tests/gsa/unfolding_case.h"

namespace unfold::testing {
namespace {

using gsa::AttentionShape;

std::function<std::vector<Tensor>(std::uint64_t)> qkv_of(std::int64_t tokens,
                                                         const AttentionShape& shape) {
  return [tokens, width = shape.qkv_width()](std::uint64_t seed) {
    return std::vector<Tensor>{random_tensor({tokens, width}, DType::float64, seed)};
  };
}

std::string name_of_case(const char* op, const AttentionShape& shape, int levels) {
  return fmt::format("{}_{}_of_{}_heads_of_{}_levels_{}", op, shape.heads, shape.kv_heads,
                     shape.width, levels);
}

// Small, so that every element is moved for the gradient.
std::vector<OpCase> gsa_op_cases() {
  std::vector<OpCase> cases;
  std::uint64_t seed = 10;
  for (const AttentionShape& shape : {AttentionShape{1, 1, 5}, AttentionShape{4, 2, 4},
                                      AttentionShape{4, 1, 8}, AttentionShape{7, 1, 4}}) {
    for (const int levels : {0, 1, 2, 3}) {
      ++seed;
      const gsa::RandomLayoutOptions options{
          .rows = 2, .length = 14, .levels = levels, .max_chunk = 2};
      const gsa::Layout layout = gsa::random_layout(seed, options);
      const gsa::GistConfig gist = gsa::random_gist_config(seed, options);
      const auto map = std::make_shared<const gsa::BlockMap>(
          gsa::make_block_map(layout, gist, gsa::Visibility::gist, 4));
      cases.push_back(
          {name_of_case("attention", shape, levels),
           qkv_of(layout.size(), shape),
           [shape, map](const Variables& x) { return Variables{gsa::attention(x[0], shape, map)}; },
           {},
           16,
           2});
      if (levels == 0) continue;
      gsa::UnfoldingCase one = gsa::make_unfolding_case(seed, levels, 24, 1);
      one.shape = shape;
      const gsa::UnfoldingContext context = one.context();
      // Picks of one tensor for all runs: what is picked must not depend on rounding.
      const auto selection =
          gsa::select(random_tensor({one.layout.size(), shape.qkv_width()}, DType::float64, seed),
                      shape, context);
      cases.push_back({name_of_case("unfolding", shape, levels),
                       qkv_of(one.layout.size(), shape),
                       [shape, context, selection](const Variables& x) {
                         return Variables{
                             gsa::unfolding_attention(x[0], shape, context, *selection)};
                       },
                       {},
                       16,
                       2});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Gsa, OpCaseTest, ::testing::ValuesIn(gsa_op_cases()), op_case_name);

}  // namespace
}  // namespace unfold::testing
