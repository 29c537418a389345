// unfold plan CONFIG: what a training would need; runs nothing.
#include "train/plan.h"

#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.h"
#include "cli/trainer_config.h"
#include "core/error.h"
#include "core/text_format.h"
#include "data/tokenizer/tokenizer.h"
#include "train/memory_report.h"

namespace unfold::cli {
namespace {

using core::format_bytes;
using core::format_count;
using core::MemoryUse;
using train::Flops;
using train::Plan;

// What the uses of memory are called here, in the order they are printed.
struct NamedUse {
  MemoryUse use;
  const char* key;
};
constexpr NamedUse kUses[] = {
    {MemoryUse::parameters, "parameters"},
    {MemoryUse::gradients, "gradients"},
    {MemoryUse::optimizer, "optimizer"},
    {MemoryUse::activations, "activations"},
    {MemoryUse::loss, "loss"},
    {MemoryUse::backward, "backward"},
    {MemoryUse::other, "other"},
};

void fill_in_vocabulary(const Config& config, models::DecoderConfig& model) {
  if (model.vocab_size > 0) return;
  try {
    model.vocab_size = data::load_tokenizer(config.data.tokenizer)->vocab_size();
  } catch (const core::UserError& error) {
    core::fail("plan",
               "model.vocab_size is 0, so it is the tokenizer's, which cannot be read: {}: or set "
               "model.vocab_size",
               error.what());
  }
}

std::string line(const char* name, const std::string& value, const std::string& more = "") {
  return fmt::format("  {:<42}{:>12}  {}\n", name, value, more);
}

std::string parameters_text(const Plan& plan) {
  const train::ParameterPlan& p = plan.parameters;
  const auto row = [&](const char* name, std::int64_t count) {
    return line(name, format_count(static_cast<double>(count)), fmt::format("{:>14}", count));
  };
  return "parameters\n" + row("embedding", p.embedding) + row("attention", p.attention) +
         row("MLP", p.mlp) + row("norms", p.norm) +
         (p.head > 0 ? row("output head", p.head) : line("output head", "tied")) +
         row("total", p.total());
}

std::string memory_text(const Plan& plan) {
  std::string text = fmt::format("memory{:>46}  {:>12}\n", "most", "at the peak");
  for (const NamedUse& named : kUses) {
    const auto at = static_cast<std::size_t>(named.use);
    text +=
        line(train::title_of(named.use), format_bytes(static_cast<double>(plan.memory.most[at])),
             fmt::format("{:>12}", format_bytes(static_cast<double>(plan.memory.at_peak[at]))));
  }
  const std::string peak = format_bytes(static_cast<double>(plan.memory.peak));
  return text + line("peak", "", fmt::format("{:>12}", peak));
}

std::string arithmetic_text(const Plan& plan) {
  const auto row = [&](const char* name, const Flops& flops) {
    return line(name, format_count(flops.total()),
                fmt::format("attention {:.1f} %", 100 * flops.attention / flops.total()));
  };
  std::string text = "floating-point operations a step\n" + row("forward", plan.forward) +
                     row("backward", plan.backward);
  if (plan.recompute.total() > 0) text += row("recomputed activations", plan.recompute);
  return text + line("total", format_count(plan.flops()));
}

std::string to_text(const Config& config, const Plan& plan, std::int64_t ranks) {
  const auto length = static_cast<double>(config.train.row_length);
  const std::string whose =
      ranks > 1 ? fmt::format("one of {} ranks{}\n\n", ranks,
                              config.train.zero1 ? ", the optimizer shared out (ZeRO-1)" : "")
                : "";
  std::string text =
      whose + parameters_text(plan) + "\n" + memory_text(plan) + "\n" + arithmetic_text(plan) +
      "\nattention, one full row\n" +
      line("visible pairs", format_count(static_cast<double>(plan.visible_pairs)),
           fmt::format("of {} causal ones", format_count(static_cast<double>(plan.causal_pairs)))) +
      line("density", fmt::format("{:.1f} %", 100 * plan.density())) +
      line("keys a query",
           fmt::format("{:.1f}", static_cast<double>(plan.visible_pairs) / length)) +
      "\nstep\n";
  const auto count = [](const char* name, std::int64_t value) {
    return line(name, fmt::format("{}", value));
  };
  return text + count("micro-batches", plan.micro_batches) + count("positions", plan.positions) +
         count("raw tokens", plan.raw_tokens) + count("targets", plan.targets) +
         line("checkpoint on disk, about",
              format_bytes(static_cast<double>(plan.checkpoint_bytes)));
}

std::string to_json(const Plan& plan) {
  using Json = nlohmann::ordered_json;
  const train::ParameterPlan& p = plan.parameters;
  Json most;
  Json at_peak;
  for (const NamedUse& named : kUses) {
    most[named.key] = plan.memory.most[static_cast<std::size_t>(named.use)];
    at_peak[named.key] = plan.memory.at_peak[static_cast<std::size_t>(named.use)];
  }
  const auto flops = [](const Flops& part) {
    return Json{{"matmul", part.matmul}, {"attention", part.attention}};
  };
  const Json json = {
      {"parameters",
       {{"embedding", p.embedding},
        {"attention", p.attention},
        {"mlp", p.mlp},
        {"norm", p.norm},
        {"head", p.head},
        {"total", p.total()}}},
      {"memory_bytes", {{"most", most}, {"at_peak", at_peak}, {"peak", plan.memory.peak}}},
      {"flops",
       {{"forward", flops(plan.forward)},
        {"backward", flops(plan.backward)},
        {"recompute", flops(plan.recompute)},
        {"total", plan.flops()}}},
      {"attention",
       {{"visible_pairs", plan.visible_pairs},
        {"causal_pairs", plan.causal_pairs},
        {"density", plan.density()}}},
      {"step",
       {{"micro_batches", plan.micro_batches},
        {"positions", plan.positions},
        {"raw_tokens", plan.raw_tokens},
        {"targets", plan.targets}}},
      {"checkpoint_bytes", plan.checkpoint_bytes}};
  return json.dump(2) + '\n';
}

void run_plan(const Config& config, const std::string& format, std::int64_t ranks) {
  train::TrainerConfig trainer = trainer_config(config);
  fill_in_vocabulary(config, trainer.model);
  core::require(ranks >= 1 && ranks <= config.train.rows, "plan",
                "--ranks {}: choose 1 to train.rows = {}: every rank takes one row at least", ranks,
                config.train.rows);
  const Plan plan = train::make_plan(trainer, static_cast<int>(ranks));
  print(format == "json" ? to_json(plan) : to_text(config, plan, ranks));
}

}  // namespace

void add_plan_command(Command app) {
  Command command = app.add_subcommand(
      "plan", "Parameters, memory and arithmetic of a training step; runs nothing");
  command.group(kLookGroup);
  const auto arguments = std::make_shared<ConfigArguments>();
  const auto format = std::make_shared<std::string>("text");
  arguments->add_to(command);
  command.add_choice("--format", *format, {"text", "json"}, "how to write the plan");
  const auto ranks = std::make_shared<std::int64_t>(1);
  command.add_option("--ranks", *ranks, "plan one of so many processes of `mpirun`")
      .capture_default_str();
  command.callback([arguments, format, ranks] { run_plan(arguments->load(), *format, *ranks); });
}

}  // namespace unfold::cli
