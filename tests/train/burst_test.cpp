#include "train/burst.h"

#include <gtest/gtest.h>

#include <optional>

#include "core/kernels/elementwise.h"
#include "models/decoder.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_world.h"
#include "tests/train/tiny_run.h"
#include "train/data_parallel.h"

namespace unfold::train {
namespace {

// 1.2 G parameters in bfloat16: a head of 525 MB in float32, then 16 blocks.
std::vector<BucketWork> small_llama() {
  std::vector<BucketWork> buckets = {{0, std::size_t{1050} << 20}};
  for (int block = 0; block < 16; ++block) buckets.push_back({60'000'000, 120'000'000});
  return buckets;
}

TEST(HeldBack, UntilTheRestOfTheBackwardPassJustHidesAll) {
  const std::vector<BucketWork> buckets = small_llama();
  const std::size_t two = held_back(buckets, 16384, 2);
  EXPECT_GT(two, 9u);
  EXPECT_LT(two, 15u);
  const double sent = (1050.0 * (1 << 20)) + 16 * 120e6;
  const double flop = 4.0 * 16384 * 60e6;
  const auto left = static_cast<double>(buckets.size() - two);
  EXPECT_LE(left * flop, 6000 * sent);
  EXPECT_GT((left + 1) * flop, 6000 * sent);
  // More ranks send more.
  EXPECT_LT(held_back(buckets, 16384, 8), two);
  EXPECT_EQ(held_back(buckets, 16384, 1), buckets.size());
}

TEST(HeldBack, NothingWhereTheBackwardPassIsShort) {
  EXPECT_EQ(held_back(small_llama(), 1024, 2), 0u);
  EXPECT_EQ(held_back({}, 1024, 2), 0u);
  EXPECT_EQ(held_back({{0, 1000}, {0, 1000}}, 1 << 20, 2), 0u);
}

// How many parameters had their gradients when the first sum was started, and sums at the end.
struct Seen {
  std::size_t complete_at_first = 0;
  std::size_t sums = 0;
};

Seen gradients_by_hand(const TrainerConfig& config, bool bursts, bool zero1) {
  std::optional<Seen> seen[2];
  for (const std::exception_ptr& error : test::run_ranks(2, [&](test::ThreadRank& world) {
         if (bursts) world.like_bursts();
         models::Decoder decoder(config.model, config.gist.levels(), core::DType::float64,
                                 core::Device{}, 0);
         AdamW optimizer(decoder, config.train.optimizer, 0, {zero1, world.rank(), 2});
         DataParallel parallel(optimizer, world, config.train);
         Seen mine;
         for (int step = 0; step < 2; ++step) {
           const std::size_t before = world.sums();
           parallel.begin();
           std::size_t complete = 0;
           for (std::size_t i = optimizer.states().size(); i-- > 0;) {
             const auto& slot = optimizer.states()[i].parameter.slot();
             core::kernels::fill(slot->accumulator(),
                                 static_cast<double>(i + 1) * (world.rank() + 1));
             slot->on_ready(slot->gradient);
             ++complete;
             if (world.sums() > before && mine.complete_at_first == 0) {
               mine.complete_at_first = complete;
             }
           }
           parallel.finish();
           mine.sums = world.sums() - before;
           for (std::size_t i = 0; i < optimizer.states().size(); ++i) {
             const AdamW::State& state = optimizer.states()[i];
             const core::Tensor& sum = zero1 ? state.gradient : state.parameter.slot()->gradient;
             for (std::int64_t at = 0; at < sum.size(); ++at) {
               ASSERT_EQ(sum.data<double>()[at], 3.0 * static_cast<double>(i + 1)) << state.name;
             }
           }
           optimizer.clear_gradients();
         }
         seen[world.rank()] = mine;
       })) {
    if (error) std::rethrow_exception(error);
  }
  EXPECT_EQ(seen[0]->complete_at_first, seen[1]->complete_at_first);
  return *seen[0];
}

TEST(HeldBack, SumsStartLateAndAreTheSame) {
  test::TempFolder folder;
  TrainerConfig config = testing::tiny_config(folder.path());
  config.train.row_length = 1 << 20;
  const Seen at_once = gradients_by_hand(config, false, false);
  const Seen held = gradients_by_hand(config, true, false);
  EXPECT_GT(held.complete_at_first, at_once.complete_at_first);
  EXPECT_EQ(held.sums, at_once.sums);
  // What has to be copied to be sent is not kept.
  EXPECT_EQ(gradients_by_hand(config, true, true).complete_at_first, at_once.complete_at_first);
  config.train.reduce_dtype = core::DType::bfloat16;  // float64 is sent as it is
  EXPECT_EQ(gradients_by_hand(config, true, false).complete_at_first, at_once.complete_at_first);
}

}  // namespace
}  // namespace unfold::train
