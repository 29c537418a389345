// unfold bench cpu: how fast the kernels and the training step are on this machine.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/bench/matmul_bench.h"
#include "cli/bench/section.h"
#include "cli/bench/step_bench.h"
#include "cli/command.h"

namespace unfold::cli {
namespace {

struct CpuBenchOptions {
  bool quick = false;
  std::string format = "text";
};

void run_cpu_bench(const CpuBenchOptions& options) {
  const double seconds = options.quick ? 1 : 5;
  std::vector<bench::Section> sections;
  sections.push_back(bench::matmul_section(seconds / 10));
  std::vector<bench::StepTime> steps;
  for (const std::int64_t chunk : {0, 8}) steps.push_back(bench::time_step(chunk, seconds, 3));
  sections.push_back(bench::step_section(steps));
  sections.push_back(bench::kernel_section(steps));
  print(options.format == "json" ? bench::to_json("", sections) : bench::to_text(sections));
}

}  // namespace

void add_bench_command(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Measure the speed of this machine");
  bench->group(kLookGroup);
  bench->require_subcommand(1);
  CLI::App* cpu = bench->add_subcommand("cpu", "kernels and training step on the CPU");
  const auto options = std::make_shared<CpuBenchOptions>();
  cpu->add_flag("--quick", options->quick, "Fewer repetitions");
  add_choice(*cpu, "--format", options->format, {"text", "json"}, "how to write the figures");
  cpu->callback([options] { run_cpu_bench(*options); });
}

}  // namespace unfold::cli
