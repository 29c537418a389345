#include "cli/bench/step_bench.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cli/bench/model.h"
#include "cli/bench/timing.h"
#include "cli/bench/training_step.h"

namespace unfold::cli::bench {
namespace {

double seconds_in(const StepTime& step, const std::vector<std::string>& names) {
  double seconds = 0;
  for (const core::KernelTime& kernel : step.kernels) {
    if (std::find(names.begin(), names.end(), kernel.name) != names.end()) {
      seconds += kernel.seconds;
    }
  }
  return seconds;
}

}  // namespace

StepTime time_step(std::int64_t chunk, double seconds, int least) {
  const auto world = core::make_single_process();
  TrainingStep step(training_config(chunk), core::Device{}, *world);
  const auto take_step = [&] { step.take(); };
  StepTime result;
  result.attention = chunk > 0 ? fmt::format("gist {}", chunk) : "causal";
  result.seconds = std::numeric_limits<double>::infinity();
  result.cpu_seconds = result.seconds;
  take_step();
  step.forget_peak();
  double total = 0;
  for (int i = 0; i < least || total < seconds; ++i) {
    core::start_profile();
    const double cpu = cpu_seconds();
    const double taken = seconds_of(take_step);
    result.cpu_seconds = std::min(result.cpu_seconds, cpu_seconds() - cpu);
    std::vector<core::KernelTime> kernels = core::stop_profile();
    total += taken;
    if (taken >= result.seconds) continue;
    result.seconds = taken;
    result.kernels = std::move(kernels);
  }
  result.peak_bytes = step.peak_bytes();
  result.planned_bytes = step.plan().memory.peak;
  result.positions_per_second = static_cast<double>(step.plan().positions) / result.seconds;
  result.gflops = step.plan().flops() / result.seconds * 1e-9;
  return result;
}

Section step_section(const std::vector<StepTime>& steps) {
  Section section;
  section.key = "step";
  section.title = fmt::format("training step, float32, {} rows of {}", kRows, kRowLength);
  section.columns = {{"attention", "attention"},
                     {"ms", "ms/step", 0},
                     {"cpu_ms", "CPU ms", 0},
                     {"positions_per_second", "positions/s", 0},
                     {"gflops", "GFLOP/s", 0},
                     {"matmul_percent", "matmul %", 1},
                     {"attention_percent", "attention %", 1},
                     {"rest_percent", "rest %", 1},
                     {"peak_mib", "peak MiB", 1},
                     {"planned_mib", "planned", 1},
                     {"planned_percent", "off %", 1}};
  for (const StepTime& step : steps) {
    const double matmul = seconds_in(step, {"matmul"}) / step.seconds * 100;
    const double attention =
        seconds_in(step, {"attention", "attention_backward"}) / step.seconds * 100;
    const auto peak = static_cast<double>(step.peak_bytes);
    const auto planned = static_cast<double>(step.planned_bytes);
    section.rows.push_back({step.attention, step.seconds * 1e3, step.cpu_seconds * 1e3,
                            step.positions_per_second, step.gflops, matmul, attention,
                            100 - matmul - attention, peak / (1 << 20), planned / (1 << 20),
                            (planned / peak - 1) * 100});
  }
  return section;
}

Section kernel_section(const std::vector<StepTime>& steps) {
  Section section;
  section.key = "kernels";
  section.title = "share of the step by kernel";
  section.columns = {{"kernel", "kernel"}};
  std::vector<std::string> names;
  for (const StepTime& step : steps) {
    section.columns.push_back({step.attention + " ms", step.attention + ": ms", 1});
    section.columns.push_back({step.attention + " percent", "%", 1});
    section.columns.push_back({step.attention + " calls", "calls", 0});
    for (const core::KernelTime& kernel : step.kernels) {
      if (std::find(names.begin(), names.end(), kernel.name) == names.end()) {
        names.push_back(kernel.name);
      }
    }
  }
  const auto add_row = [&](const std::string& label, auto&& find) {
    std::vector<Cell> row = {label};
    for (const StepTime& step : steps) {
      const core::KernelTime time = find(step);
      row.insert(row.end(), {time.seconds * 1e3, time.seconds / step.seconds * 100,
                             static_cast<double>(time.calls)});
    }
    section.rows.push_back(std::move(row));
  };
  for (const std::string& name : names) {
    add_row(name, [&](const StepTime& step) {
      for (const core::KernelTime& kernel : step.kernels) {
        if (kernel.name == name) return kernel;
      }
      return core::KernelTime{};
    });
  }
  add_row("outside kernels", [&](const StepTime& step) {
    double inside = 0;
    for (const core::KernelTime& kernel : step.kernels) inside += kernel.seconds;
    return core::KernelTime{"", step.seconds - inside, 0};
  });
  return section;
}

}  // namespace unfold::cli::bench
