#include "cli/commands/bench_device.h"

#include <fmt/core.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/bench/attention_lengths.h"
#include "cli/bench/decode_bench.h"
#include "cli/bench/device_ops.h"
#include "cli/bench/machine.h"
#include "cli/bench/section.h"
#include "cli/bench/train_bench.h"
#include "cli/command.h"
#include "cli/ranks.h"
#include "cli/trainer_config.h"
#include "core/error.h"
#include "core/text_format.h"

namespace unfold::cli {
namespace {

void print_sections(const std::string& format, core::Device device,
                    const std::vector<bench::Section>& sections) {
  const std::string machine = bench::machine(device);
  print(format == "json" ? bench::to_json(machine, sections)
                         : machine + "\n\n" + bench::to_text(sections));
}

void add_format(Command command, std::string& format) {
  command.add_choice("--format", format, {"text", "json"}, "how to write the figures");
}

template <typename T>
void add_list(Command command, const std::string& name, std::vector<T>& list, const char* type,
              const std::string& help) {
  Option option = command.add_option(name, list, help).delimiter(',').one_value().type_name(type);
  if (!list.empty()) option.default_str(core::join(list, ","));
}

void add_train_bench(Command bench) {
  struct Arguments {
    ConfigArguments config;
    bench::TrainBenchOptions options;
    std::string format = "text";
  };
  Command command = bench.add_subcommand(
      "train", "Training steps of a config on random tokens: time, FLOP/s, MFU, memory");
  const auto arguments = std::make_shared<Arguments>();
  arguments->config.add_to(command);
  command.add_option("--steps", arguments->options.steps, "steps to time")
      .type_name("N")
      .capture_default_str();
  command.add_flag("--profile", arguments->options.profile,
                   "also the time of every kernel, in steps that are not timed otherwise");
  add_format(command, arguments->format);
  command.footer(
      "Reads no data and writes no run. It computes on run.device; model.vocab_size must be set.\n"
      "Example:\n  unfold bench train configs/bench-135m.yaml --set train.objective=lm");
  command.callback([arguments] {
    const Config config = arguments->config.load();
    run_on_ranks(config.run.device, [&](core::Communicator& world) {
      const std::vector<bench::Section> sections =
          bench::train_sections(trainer_config(config), arguments->options, world);
      if (!world.is_root()) return;
      print_sections(arguments->format, core::device_from_name(config.run.device), sections);
    });
  });
}

void add_attention_bench(Command bench) {
  struct Arguments {
    bench::AttentionLengthsOptions options;
    std::string device;
    bool quick = false;
    std::string format = "text";
  };
  Command command = bench.add_subcommand(
      "attention", "Attention alone as rows get longer, under the gist mask and fully causal");
  const auto arguments = std::make_shared<Arguments>();
  bench::AttentionLengthsOptions& options = arguments->options;
  command.add_option("--device", arguments->device, "default: cuda where there is a GPU")
      .type_name("cpu|cuda|cuda:N");
  add_list(command, "--lengths", options.lengths, "T,...", "positions a row, one table row each");
  command
      .add_option("--positions", options.positions,
                  "positions a call: as many rows as fit; 0: 32768 on a GPU, 2048 on the CPU")
      .capture_default_str();
  command.add_option("--heads", options.shape.heads, "query heads").capture_default_str();
  command.add_option("--kv-heads", options.shape.kv_heads, "key/value heads").capture_default_str();
  command.add_option("--width", options.shape.width, "width of a head").capture_default_str();
  command.add_option("--chunk", options.chunk, "raw tokens a gist").capture_default_str();
  command.add_option("--sinks", options.sinks, "first tokens that stay visible")
      .capture_default_str();
  command.add_option("--previous", options.previous_chunks, "previous chunks that stay visible")
      .capture_default_str();
  command.add_flag("--quick", arguments->quick, "Fewer repetitions");
  add_format(command, arguments->format);
  command.callback([arguments] {
    if (arguments->quick) arguments->options.seconds = 0;
    const std::string& name = arguments->device;
    arguments->options.device = core::usable_device(!name.empty()                   ? name
                                                    : core::cuda_device_count() > 0 ? "cuda"
                                                                                    : "cpu");
    print_sections(arguments->format, arguments->options.device,
                   {bench::attention_lengths_section(arguments->options)});
  });
}

void add_decode_bench(Command bench) {
  struct Arguments {
    ConfigArguments config;
    bench::DecodeBenchOptions options;
    std::string format = "text";
  };
  Command command = bench.add_subcommand(
      "decode", "Decoding behind a long random prompt, by attention method; random weights");
  const auto arguments = std::make_shared<Arguments>();
  bench::DecodeBenchOptions& options = arguments->options;
  arguments->config.add_to(command);
  add_list(command, "--context", options.contexts, "N,...", "raw tokens of the context");
  add_list(command, "--methods", options.methods, "NAME,...", "attention methods, as eval.methods");
  command.add_option("--batch", options.batch, "sequences decoded together")
      .type_name("B")
      .capture_default_str();
  command
      .add_option("--ratio", options.ratio,
                  "methods that choose read 1 / ratio of the context; 0: the ratio of the gists")
      .capture_default_str();
  command.add_option("--tokens", options.tokens, "tokens to time, a sequence")
      .type_name("N")
      .capture_default_str();
  add_format(command, arguments->format);
  command.callback([arguments] {
    const Config config = arguments->config.load();
    const bench::Section section = bench::decode_section(config, arguments->options);
    print_sections(arguments->format, core::device_from_name(config.run.device), {section});
  });
}

void add_gpu_bench(Command bench) {
  struct Arguments {
    bench::DeviceOpsOptions options;
    std::string device = "cuda";
    std::string config;
    std::string format = "text";
  };
  Command command = bench.add_subcommand(
      "gpu", "Roofline of a GPU, and every op beside it at the sizes of a 135M model");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("--device", arguments->device, "what to measure")
      .type_name("cpu|cuda|cuda:N")
      .capture_default_str();
  command
      .add_option("--config", arguments->config,
                  "take sizes of model, rows and first chunk from a config")
      .type_name("FILE");
  command.add_flag("--quick", arguments->options.quick, "A small roofline, fewer repetitions");
  add_format(command, arguments->format);
  command.callback([arguments] {
    bench::DeviceOpsOptions& options = arguments->options;
    options.device = core::usable_device(arguments->device);
    options.model = bench::smollm2_135m();
    if (options.quick) options.seconds = 0;
    if (!arguments->config.empty()) {
      const Config config = load_config(arguments->config);
      core::require(config.model.vocab_size > 0, "bench",
                    "{}: model.vocab_size is 0, and a bench reads no tokenizer: set it",
                    arguments->config);
      options.model = config.model;
      options.rows = config.train.rows;
      options.row_length = config.train.row_length;
      if (!config.gist.chunks.empty()) options.chunk = config.gist.chunks.front();
    }
    const bench::MeasuredRoofline roofline = bench::measure_rooflines(options);
    print_sections(arguments->format, options.device,
                   {bench::roofline_section(options, roofline),
                    bench::device_ops_section(options, roofline.bfloat16)});
  });
}

}  // namespace

void add_device_benches(Command bench) {
  add_train_bench(bench);
  add_attention_bench(bench);
  add_decode_bench(bench);
  add_gpu_bench(bench);
}

}  // namespace unfold::cli
