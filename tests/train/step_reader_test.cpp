#include "train/step_reader.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/data_source.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_world.h"
#include "tests/train/tiny_run.h"

namespace unfold::train {
namespace {

// Rows of a batch again and again; the third time something is wrong with them.
class FailingSource : public data::BatchSource {
 public:
  FailingSource(data::Batch batch, bool fails) : batch_(std::move(batch)), fails_(fails) {}
  data::Batch next(std::int64_t, std::int64_t, std::int64_t) override {
    core::require(!fails_ || ++steps_ < 3, "shard", "books.h5: damaged");
    return batch_;
  }
  data::LoaderState state() const override { return {}; }

 private:
  data::Batch batch_;
  bool fails_;
  int steps_ = 0;
};

std::string what(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// What one rank cannot read ends all of them, behind the step in front, and never mixes up what
// they exchange.
TEST(StepReader, AnErrorOfOneRankIsThrownOnAll) {
  const test::TempFolder folder;
  TrainerConfig config = testing::tiny_config(folder.path());
  config.train.steps = 9;
  const data::Batch batch = testing::tiny_batches(folder.path(), config.gist, 2, 2).at(0);
  const TrainingLoss loss(config.train, config.gist, {});
  std::vector<std::vector<std::string>> said(3);
  for (const std::exception_ptr& error : test::run_ranks(3, [&](test::ThreadRank& world) {
         StepReader reader(config.train, loss, core::Device{}, world, {{6, 2 * world.rank(), 2}},
                           std::make_unique<FailingSource>(batch, world.rank() == 1), {});
         reader.read(0);
         auto& own = said[static_cast<std::size_t>(world.rank())];
         for (std::int64_t step = 1; step < 4 && (own.empty() || own.back().empty()); ++step) {
           double targets = 0;
           own.push_back(what([&] { targets = reader.take().totals.targets; }));
           if (!own.back().empty()) break;
           EXPECT_EQ(targets, 3 * loss.count(batch).targets);
           reader.look_ahead(step);
           std::vector<double> other = {1};  // what a step exchanges besides
           world.all_reduce_sum(std::span<double>(other));
           EXPECT_EQ(other[0], 3);
         }
       })) {
    if (error) std::rethrow_exception(error);
  }
  const std::string cause = "[shard] books.h5: damaged";
  EXPECT_EQ(said[1], (std::vector<std::string>{"", "", cause}));
  const std::vector<std::string> others = {"", "", "[train] rank 1 cannot go on: " + cause};
  EXPECT_EQ(said[0], others);
  EXPECT_EQ(said[2], others);
}

}  // namespace
}  // namespace unfold::train
