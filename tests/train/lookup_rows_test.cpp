#include "train/lookup_rows.h"

#include <gtest/gtest.h>

#include "core/kernels/nn.h"
#include "tests/core/tensor_helpers.h"
#include "tests/support/thread_world.h"

namespace unfold::train {
namespace {

using core::DType;
using core::Tensor;
using testing::random_tensor;

constexpr std::int64_t kRows = 40;
constexpr std::int64_t kWidth = 6;

Tensor ids_of(int rank, int pass, std::int64_t count) {
  std::vector<std::int32_t> ids;
  for (std::int64_t n = 0; n < count; ++n) {
    ids.push_back(static_cast<std::int32_t>((7 * n + 11 * rank + 3 * pass) % kRows));
  }
  return testing::int_tensor(ids);
}
Tensor rows_of(int rank, int pass, std::int64_t count, DType dtype) {
  return random_tensor({count, kWidth}, dtype, static_cast<std::uint64_t>(10 * rank + pass));
}

// Every rank ends with the bits of one process that adds the rows of all in their order, whole or
// in part, whatever each gave.
TEST(LookupRows, AddThoseOfAllRanks) {
  const std::vector<std::vector<std::int64_t>> counts = {{5, 20}, {}, {3000}};  // rank, pass
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    const DType wide = core::accumulator_of(dtype);
    const Tensor whole = Tensor::full({kRows, kWidth}, 0.5, wide);
    for (std::size_t rank = 0; rank < counts.size(); ++rank) {
      for (std::size_t pass = 0; pass < counts[rank].size(); ++pass) {
        const auto r = static_cast<int>(rank);
        const auto p = static_cast<int>(pass);
        const std::int64_t count = counts[rank][pass];
        core::kernels::embedding_backward(rows_of(r, p, count, dtype), ids_of(r, p, count), 0,
                                          whole);
      }
    }
    for (const std::exception_ptr& error : test::run_ranks(3, [&](test::ThreadRank& world) {
           LookupRows lookups(world, Tensor::empty({kRows, kWidth}, dtype));
           const int rank = world.rank();
           const auto take = [&] {
             const auto& mine = counts[static_cast<std::size_t>(rank)];
             for (std::size_t pass = 0; pass < mine.size(); ++pass) {
               const auto p = static_cast<int>(pass);
               lookups.take(ids_of(rank, p, mine[pass]), rows_of(rank, p, mine[pass], dtype));
             }
           };
           take();
           const Tensor all = Tensor::full({kRows, kWidth}, 0.5, wide);
           lookups.start();
           lookups.add_to(all, 0);
           EXPECT_TRUE(testing::same_bits(all, whole)) << rank;
           lookups.start();  // nothing is left
           lookups.add_to(all, 0);
           EXPECT_TRUE(testing::same_bits(all, whole)) << rank;
           take();
           const std::int64_t first = 13 * rank;
           const std::int64_t end = rank == 2 ? kRows : first + 13;
           const Tensor part = Tensor::full({end - first, kWidth}, 0.5, wide);
           lookups.start();
           lookups.add_to(part, first);
           EXPECT_TRUE(testing::same_bits(part, whole.slice(0, first, end))) << rank;
         })) {
      EXPECT_EQ(error, nullptr);
    }
  }
}

TEST(LookupRows, AreForTablesThatAreLargerThanWhatIsLookedUp) {
  const Tensor table = Tensor::empty({128'000, 2048}, DType::bfloat16, {core::DeviceType::meta, 0});
  const auto worth_it = [&](std::int64_t positions, int ranks, DType sent, bool shared) {
    return LookupRows::worth_it(table, sent, positions, ranks, shared);
  };
  EXPECT_TRUE(worth_it(16'384, 2, DType::float32, false));
  EXPECT_TRUE(worth_it(16'384, 8, DType::float32, false));
  EXPECT_TRUE(worth_it(16'384, 8, DType::float32, true));
  EXPECT_FALSE(worth_it(16'384, 32, DType::float32, false));
  EXPECT_FALSE(worth_it(16'384, 16, DType::float32, true));
  EXPECT_FALSE(worth_it(16'384, 16, DType::bfloat16, false));
}

}  // namespace
}  // namespace unfold::train
