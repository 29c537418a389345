// unfold bench cpu: how fast the kernels and the training step are on this machine;
// unfold bench selection: what selecting costs as the context grows;
// the benches of one device, the GPU above all: cli/commands/bench_device.cpp.
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench/attention_bench.h"
#include "cli/bench/machine.h"
#include "cli/bench/matmul_bench.h"
#include "cli/bench/section.h"
#include "cli/bench/selection_bench.h"
#include "cli/bench/step_bench.h"
#include "cli/bench/tokenizer_bench.h"
#include "cli/bench/torch_peer.h"
#include "cli/command.h"
#include "cli/commands/bench_device.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text_format.h"

namespace unfold::cli {
namespace {

struct CpuBenchOptions {
  bool quick = false;
  bool torch = true;
  std::vector<std::string> parts;  // empty: all
  std::string text;
  std::string format = "text";

  bool wants(const std::string& part) const {
    return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
  }
};

void print_sections(const std::string& format, const std::vector<bench::Section>& sections) {
  const std::string machine = bench::machine();
  print(format == "json" ? bench::to_json(machine, sections)
                         : machine + "\n\n" + bench::to_text(sections));
}

void add_step_sections(const CpuBenchOptions& options, std::vector<bench::Section>& sections) {
  const double seconds = options.quick ? 2 : 10;
  const int least = options.quick ? 2 : 4;
  std::optional<bench::TorchPeer> peer;
  if (options.torch) peer.emplace();
  std::vector<bench::StepTime> steps;
  std::vector<std::optional<bench::TorchStep>> torch;
  for (const std::int64_t chunk : {0, 8}) {
    steps.push_back(bench::time_step(chunk, seconds, least));
    if (peer) torch.push_back(peer->time_step(chunk, seconds, least));
  }
  sections.push_back(bench::step_section(steps));
  sections.push_back(bench::kernel_section(steps));
  if (peer) sections.push_back(bench::torch_section(steps, torch, *peer));
}

void run_cpu_bench(const CpuBenchOptions& options) {
  const double seconds = options.quick ? 0.2 : 1.0;  // for a single measurement
  std::vector<bench::Section> sections;
  if (options.wants("matmul")) {
    core::log::info("matrix products");
    sections.push_back(bench::matmul_section(seconds));
  }
  if (options.wants("attention")) {
    core::log::info("attention");
    sections.push_back(bench::attention_section(seconds));
  }
  if (options.wants("step")) {
    core::log::info("training step");
    add_step_sections(options, sections);
  }
  if (options.wants("tokenizer")) {
    core::log::info("tokenizer");
    sections.push_back(
        bench::tokenizer_section(options.text, options.quick ? 1'000'000 : 10'000'000, seconds));
  }
  print_sections(options.format, sections);
}

void add_cpu_bench(Command bench) {
  Command cpu = bench.add_subcommand(
      "cpu", "Matrix products, attention, a training step and the tokenizer on the CPU");
  const auto options = std::make_shared<CpuBenchOptions>();
  cpu.add_flag("--quick", options->quick, "Fewer repetitions, less text");
  cpu.add_option("--only", options->parts, "parts to run: matmul, attention, step, tokenizer")
      .delimiter(',')
      .type_name("PART,...")
      .is_one_of({"matmul", "attention", "step", "tokenizer"}, HelpLists::no);
  cpu.add_flag("!--no-torch", options->torch, "Do not run the step in PyTorch");
  cpu.add_option("--text", options->text, "text for the tokenizer (default: invented words)")
      .type_name("FILE");
  cpu.add_choice("--format", options->format, {"text", "json"}, "how to write the figures");
  cpu.footer(
      "Times are the fastest of several: run it on an idle machine. OMP_NUM_THREADS sets the\n"
      "threads. UNFOLD_TORCH_PYTHON names the interpreter with PyTorch, if it is not python3.");
  cpu.callback([options] { run_cpu_bench(*options); });
}

void run_selection_bench(const bench::SelectionBenchOptions& options, const std::string& format) {
  const std::vector<bench::SelectionCost> costs = bench::measure_selection(options);
  print_sections(format, {bench::selection_section(options, costs)});
  for (const bench::SelectionCost& cost : costs) {
    core::check(cost.within_bound(), "bench", "{} scores at {} tokens, bound {}", cost.scored,
                cost.context, cost.bound);
  }
}

void add_selection_bench(Command bench) {
  Command command = bench.add_subcommand(
      "selection", "Gists scored in a decode step as the context grows, by descent and one by one");
  const auto options = std::make_shared<bench::SelectionBenchOptions>();
  const auto format = std::make_shared<std::string>("text");
  command.add_option("--contexts", options->contexts, "raw tokens of the context, a row each")
      .delimiter(',')
      .one_value()
      .type_name("N,...")
      .default_str(core::join(options->contexts, ","));
  command
      .add_option("--chunks", options->chunks,
                  "raw tokens a chunk, then gists a higher gist, one entry a level")
      .delimiter(',')
      .one_value()
      .type_name("C[,M...]")
      .default_str(core::join(options->chunks, ","));
  command.add_option("--budget", options->budget, "gists a query head picks a level, at most")
      .type_name("K")
      .capture_default_str();
  command.add_choice("--format", *format, {"text", "json"}, "how to write the figures");
  command.footer(
      "Counts are those of the decoding code and the same on every machine; times are the fastest\n"
      "of several steps of one small layer. Exit code 70 if a row is beyond its bound.");
  command.callback([options, format] { run_selection_bench(*options, *format); });
}

}  // namespace

void add_bench_command(Command app) {
  Command bench = app.add_subcommand(
      "bench", "Measure speed: of this machine, its GPU, training, decoding, selecting");
  bench.group(kLookGroup);
  bench.require_subcommand();
  add_cpu_bench(bench);
  add_selection_bench(bench);
  add_device_benches(bench);
}

}  // namespace unfold::cli
