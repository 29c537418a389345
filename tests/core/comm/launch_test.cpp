#include "core/comm/launch.h"

#include <gtest/gtest.h>

#include <map>

namespace unfold::core {
namespace {

Launch find(const std::map<std::string, std::string>& environment) {
  return find_launch([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launch, AProcessByItself) {
  EXPECT_FALSE(find({}).many());
  EXPECT_EQ(find({}).world_size, 1);
  // Within an allocation of Slurm, but not started by srun.
  EXPECT_FALSE(find({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).many());
  EXPECT_FALSE(find({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}).many());
  EXPECT_FALSE(find({{"OMPI_COMM_WORLD_RANK", "x"}, {"OMPI_COMM_WORLD_SIZE", "2"}}).many());
  EXPECT_FALSE(find({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "2"}}).many());
}

TEST(Launch, ByEveryLauncher) {
  const Launch mpirun = find({{"OMPI_COMM_WORLD_RANK", "3"},
                              {"OMPI_COMM_WORLD_SIZE", "4"},
                              {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}});
  EXPECT_EQ(mpirun.launcher, "mpirun");
  EXPECT_EQ(mpirun.rank, 3);
  EXPECT_EQ(mpirun.world_size, 4);
  EXPECT_EQ(mpirun.local_rank, 1);
  EXPECT_TRUE(find({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}).many());
  const Launch srun = find({{"SLURM_PROCID", "5"},
                            {"SLURM_STEP_NUM_TASKS", "8"},
                            {"SLURM_LOCALID", "1"},
                            {"PMI_RANK", "0"},
                            {"PMI_SIZE", "1"}});
  EXPECT_EQ(srun.launcher, "srun");
  EXPECT_EQ(srun.rank, 5);
  EXPECT_EQ(srun.world_size, 8);
  EXPECT_EQ(srun.local_rank, 1);
  EXPECT_EQ(find({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}).launcher, "mpiexec");
}

TEST(Launch, CanBeIgnored) {
  EXPECT_FALSE(
      find(
          {{"UNFOLD_COMM", "single"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}})
          .many());
}

}  // namespace
}  // namespace unfold::core
