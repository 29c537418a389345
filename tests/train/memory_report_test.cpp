#include "train/memory_report.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace unfold::train {
namespace {

using core::MemoryUse;

constexpr std::int64_t kMiB = 1 << 20;
const core::Device kGpu = {core::DeviceType::cuda, 1};

MemoryPlan example(std::int64_t parameters, std::int64_t activations) {
  MemoryPlan plan;
  const auto set = [&](MemoryUse use, std::int64_t most, std::int64_t at_peak) {
    plan.most[static_cast<std::size_t>(use)] = most * kMiB;
    plan.at_peak[static_cast<std::size_t>(use)] = at_peak * kMiB;
    plan.peak += at_peak * kMiB;
  };
  set(MemoryUse::parameters, parameters, parameters);
  set(MemoryUse::activations, activations, activations);
  set(MemoryUse::backward, 7, 0);
  return plan;
}

TEST(MemoryReport, Table) {
  const std::string text = memory_table(example(20, 30), kGpu, 1024 * kMiB);
  EXPECT_EQ(text.rfind("memory of a step on cuda:1 ", 0), 0u) << text;
  for (const char* line :
       {"  parameters                                    20.0 MiB      20.0 MiB\n",
        "  activations saved for the backward pass       30.0 MiB      30.0 MiB\n",
        "  transient: in the backward pass                7.0 MiB           0 B\n",
        "  peak                                                        50.0 MiB\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "in\n" << text;
  }
  EXPECT_TRUE(text.ends_with(" 1.0 GiB")) << text;
  EXPECT_EQ(memory_table(example(20, 30), kGpu, 0).find("available"), std::string::npos);
}

TEST(MemoryReport, Line) {
  EXPECT_EQ(memory_line(example(20, 30), 1024 * kMiB),
            "memory: 50.0 MiB at the peak (activations 30.0 MiB, parameters 20.0 MiB), 1.0 GiB "
            "available");
  EXPECT_EQ(memory_line(MemoryPlan{}, 0), "memory: 0 B at the peak");
}

TEST(MemoryReport, WarningNamesWhatToLower) {
  TrainConfig config;
  config.rows = 8;
  config.row_length = 4096;
  EXPECT_EQ(memory_warning(example(20, 30), config, kGpu, 50 * kMiB), "");
  EXPECT_EQ(memory_warning(example(20, 30), config, kGpu, 0), "");  // not known
  EXPECT_EQ(memory_warning(example(20, 30), config, kGpu, 40 * kMiB),
            "a step needs 50.0 MiB, cuda:1 has 40.0 MiB: it will run out of memory: lower "
            "train.micro_rows (now 8), or lower train.row_length (now 4096), or set "
            "train.activation_checkpointing: true");
  config.micro_rows = 1;
  config.activation_checkpointing = true;
  const std::string one_row = memory_warning(example(20, 30), config, kGpu, 40 * kMiB);
  EXPECT_TRUE(one_row.ends_with(": lower train.row_length (now 4096)")) << one_row;
  const std::string model = memory_warning(example(20, 30), config, kGpu, 10 * kMiB);
  EXPECT_TRUE(model.ends_with("lower model.width or model.layers, or set train.dtype: bfloat16"))
      << model;
}

}  // namespace
}  // namespace unfold::train
