#include "cli/bench/train_bench.h"

#include <fmt/core.h>

#include <optional>

#include "cli/bench/kernel_table.h"
#include "cli/bench/timing.h"
#include "cli/bench/training_step.h"
#include "core/comm/world.h"
#include "core/cuda/runtime.h"
#include "core/device_clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/roofline.h"
#include "core/text_format.h"
#include "train/speed.h"

namespace unfold::cli::bench {
namespace {

const char* name_of(train::Objective objective) {
  switch (objective) {
    case train::Objective::lm:
      return "lm";
    case train::Objective::cpt:
      return "cpt";
    case train::Objective::sft:
      return "sft";
  }
  return "";
}

std::optional<double> datasheet_flops(core::Device device, core::DType dtype) {
  if (device.type != core::DeviceType::cuda) return std::nullopt;
  const auto sheet = core::datasheet_of(core::cuda::device_name(device.index));
  if (!sheet) return std::nullopt;
  if (dtype == core::DType::bfloat16) return sheet->bfloat16_flops;
  if (dtype == core::DType::float32) return sheet->float32_flops;
  return std::nullopt;
}

Section time_steps(TrainingStep& step, const train::TrainerConfig& config, std::int64_t steps,
                   const core::Roofline& roofline, core::Communicator& world) {
  const core::Device device = step.device();
  for (std::int64_t i = 0; i < kWarmUpSteps; ++i) step.take();
  step.forget_peak();
  world.take_times();
  core::DeviceClock clock(device);
  clock.mark();
  for (std::int64_t i = 0; i < steps; ++i) {
    step.take();
    clock.mark();
  }
  const double seconds = median(clock.seconds());
  const core::OverlapTimes talk = world.take_times();
  const train::Plan& plan = step.plan();
  const auto per_second = [&](std::int64_t count) { return static_cast<double>(count) / seconds; };
  const auto gib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); };
  const std::optional<double> datasheet = datasheet_flops(device, config.train.dtype);
  const double flops = train::model_flops(plan);
  const double light = train::speed_of_light(plan, config.train.dtype, roofline);
  const auto peak = step.peak_bytes();
  Section section;
  section.key = "train";
  section.title = fmt::format(
      "training step on {}: {} parameters, {} rows of {}{}, {}, median of {}",
      core::name_of(device), core::format_count(static_cast<double>(plan.parameters.total())),
      plan.positions / config.train.row_length, config.train.row_length,
      plan.micro_batches > 1 ? fmt::format(" in {} micro-batches", plan.micro_batches) : "",
      core::name_of(config.train.dtype), steps);
  section.columns = {{"objective", "objective"},
                     {"ms", "ms/step", 1},
                     {"positions_per_second", "positions/s", 0},
                     {"tokens_per_second", "tokens/s", 0},
                     {"tflops", "TFLOP/s", device.is_cpu() ? 4 : 1},
                     {"mfu_percent", "MFU %", 1},
                     {"mfu_datasheet_percent", "of datasheet %", 1},
                     {"light_percent", "of light %", 1},
                     {"peak_gib", "peak GiB", 3},
                     {"planned_gib", "planned", 3},
                     {"planned_off_percent", "off %", 1},
                     {"reserved_gib", "reserved", 3},
                     {"ranks", "ranks"},
                     {"communication_ms", "comm. ms", 2},
                     {"hidden_percent", "hidden %", 1}};
  std::vector<Cell> row = {
      name_of(config.train.objective), seconds * 1e3,
      per_second(plan.positions),      per_second(plan.raw_tokens),
      flops / seconds * 1e-12,         train::mfu(plan, seconds, roofline.flops) * 100};
  row.push_back(datasheet ? Cell(train::mfu(plan, seconds, *datasheet) * 100) : Cell());
  row.push_back(light / seconds * 100);
  row.push_back(gib(peak));
  row.push_back(gib(plan.memory.peak));
  row.push_back((static_cast<double>(plan.memory.peak) / static_cast<double>(peak) - 1) * 100);
  const bool on_gpu = device.type == core::DeviceType::cuda;
  row.push_back(on_gpu ? Cell(gib(core::cuda::memory_info(device.index).reserved)) : Cell());
  row.push_back(static_cast<double>(world.world_size()));
  row.push_back(talk.seconds / static_cast<double>(steps) * 1e3);
  row.push_back(talk.seconds > 0 ? Cell(talk.hidden_share() * 100) : Cell());
  section.rows.push_back(std::move(row));
  section.notes = {
      fmt::format("{:.3f} TFLOP a step in matrix products and attention, recomputation left out",
                  flops * 1e-12),
      fmt::format("MFU: of {:.2f} TFLOP/s, measured in one large product; datasheet: {}",
                  roofline.flops * 1e-12,
                  datasheet ? fmt::format("{:.0f} TFLOP/s", *datasheet * 1e-12) : "not known"),
      fmt::format("of light: {:.1f} ms would do at that speed, with the optimizer's state moved "
                  "once at {:.0f} GB/s",
                  light * 1e3, roofline.bytes * 1e-9),
      "peak: bytes in use; planned: what `unfold plan` says; reserved: taken from the device"};
  return section;
}

Section profile_steps(TrainingStep& step) {
  constexpr int kSteps = 3;
  core::wait_for(step.device());
  core::start_profile();
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kSteps; ++i) step.take();
    core::wait_for(step.device());
  });
  return kernel_table(core::stop_profile(), seconds, kSteps);
}

}  // namespace

std::vector<Section> train_sections(const train::TrainerConfig& config,
                                    const TrainBenchOptions& options, core::Communicator& world) {
  core::require(config.model.vocab_size > 0, "bench",
                "model.vocab_size is 0, and a bench reads no tokenizer: set model.vocab_size");
  core::require(options.steps >= 1 && options.steps <= 100'000, "bench",
                "--steps {}: choose 1 to 100000", options.steps);
  core::require(config.train.rows >= world.world_size(), "bench",
                "train.rows = {} are too few for {} ranks", config.train.rows, world.world_size());
  const core::Device device =
      core::usable_device(core::device_of_rank(config.run.device, world.local_rank()));
  core::log::info("measuring the roofline of {}", core::name_of(device));
  const core::Roofline roofline = core::measure_roofline(device, config.train.dtype);
  core::log::info("{} steps to warm up, then {}", kWarmUpSteps, options.steps);
  TrainingStep step(config, device, world);
  std::vector<Section> sections = {time_steps(step, config, options.steps, roofline, world)};
  if (options.profile) {
    core::log::info("steps under the profiler");
    sections.push_back(profile_steps(step));
  }
  return sections;
}

}  // namespace unfold::cli::bench
