#include "train/memory_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/text_format.h"

namespace unfold::train {
namespace {

using core::MemoryUse;

// In the order they are printed.
constexpr MemoryUse kUses[] = {MemoryUse::parameters,  MemoryUse::gradients, MemoryUse::optimizer,
                               MemoryUse::activations, MemoryUse::loss,      MemoryUse::backward,
                               MemoryUse::other};

std::string bytes(std::int64_t count) {
  return core::format_bytes(static_cast<double>(count));
}

std::int64_t most(const MemoryPlan& plan, MemoryUse use) {
  return plan.most[static_cast<std::size_t>(use)];
}

std::int64_t at_peak(const MemoryPlan& plan, MemoryUse use) {
  return plan.at_peak[static_cast<std::size_t>(use)];
}

}  // namespace

const char* title_of(MemoryUse use) {
  switch (use) {
    case MemoryUse::parameters:
      return "parameters";
    case MemoryUse::gradients:
      return "gradients of parameters";
    case MemoryUse::optimizer:
      return "optimizer: masters and moments";
    case MemoryUse::activations:
      return "activations saved for the backward pass";
    case MemoryUse::loss:
      return "output head and cross-entropy";
    case MemoryUse::backward:
      return "transient: in the backward pass";
    case MemoryUse::other:
      return "transient: elsewhere";
  }
  return "";
}

std::string memory_table(const MemoryPlan& plan, core::Device device, std::int64_t available) {
  std::string text = fmt::format("memory of a step on {:<26}{:>12}  {:>12}\n",
                                 core::name_of(device), "most", "at the peak");
  const auto row = [&](const char* name, const std::string& first, const std::string& second) {
    text += fmt::format("  {:<42}{:>12}  {:>12}\n", name, first, second);
  };
  for (const MemoryUse use : kUses) {
    row(title_of(use), bytes(most(plan, use)), bytes(at_peak(plan, use)));
  }
  row("peak", "", bytes(plan.peak));
  if (available > 0) row("available", "", bytes(available));
  text.pop_back();
  return text;
}

std::string memory_line(const MemoryPlan& plan, std::int64_t available) {
  std::vector<std::pair<std::int64_t, MemoryUse>> parts;
  for (const MemoryUse use : kUses) {
    if (at_peak(plan, use) > 0) parts.emplace_back(at_peak(plan, use), use);
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text = fmt::format("memory: {} at the peak", bytes(plan.peak));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? " (" : ", ", core::name_of(parts[i].second),
                        bytes(parts[i].first));
  }
  if (!parts.empty()) text += ")";
  if (available > 0) text += fmt::format(", {} available", bytes(available));
  return text;
}

std::string memory_warning(const MemoryPlan& plan, const TrainConfig& config, core::Device device,
                           std::int64_t available) {
  if (available <= 0 || plan.peak <= available) return "";
  const std::int64_t fixed = at_peak(plan, MemoryUse::parameters) +
                             at_peak(plan, MemoryUse::optimizer) +
                             at_peak(plan, MemoryUse::gradients);
  std::string text =
      fmt::format("a step needs {}, {} has {}: it will run out of memory: ", bytes(plan.peak),
                  core::name_of(device), bytes(available));
  if (fixed > available) {
    text += "lower model.width or model.layers";
    if (config.dtype != core::DType::bfloat16) text += ", or set train.dtype: bfloat16";
    return text;
  }
  const std::int64_t micro_rows = config.micro_rows > 0 ? config.micro_rows : config.rows;
  if (micro_rows > 1) text += fmt::format("lower train.micro_rows (now {}), or ", micro_rows);
  text += fmt::format("lower train.row_length (now {})", config.row_length);
  if (!config.activation_checkpointing) text += ", or set train.activation_checkpointing: true";
  return text;
}

}  // namespace unfold::train
