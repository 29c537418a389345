#include "cli/bench/kernel_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string>

namespace unfold::cli::bench {
namespace {

// What a kernel does in a training; empty for one that is not told here.
std::string purpose_of(const std::string& kernel) {
  static const std::map<std::string, std::string> kPurposes = {
      {"accumulate", "adds up gradients"},
      {"accumulate_by", "adds up gradients of losses"},
      {"adamw", "optimizer update of one parameter"},
      {"adamw_lay_out", "optimizer update"},
      {"adamw_all", "optimizer update"},
      {"add", "residual stream, sums of losses"},
      {"add_column_sums", "gradient of biases"},
      {"add_squared_norms", "gradient norm"},
      {"attention", "attention"},
      {"attention_backward", "attention, backward"},
      {"cached_attention", "attention over the cache"},
      {"copy", "copies, conversions of dtype"},
      {"cross_entropy", "loss and gradient of logits"},
      {"dropout", "dropout"},
      {"embedding", "input embedding"},
      {"embedding_backward", "input embedding, backward"},
      {"fill", "zeros"},
      {"gather_rows", "picks rows"},
      {"linear", "projections, with bias and residual"},
      {"matmul", "projections, MLP, output head"},
      {"multiply", "products element by element"},
      {"rms_norm", "normalisation"},
      {"rms_norm_backward", "normalisation, backward"},
      {"rope", "rotary positions"},
      {"routing_loss", "routing loss"},
      {"scale", "scaling of losses and gradients"},
      {"scale_by", "gradients of losses"},
      {"scatter_add_rows", "gradient of picked rows"},
      {"select_chunks", "selection of chunks"},
      {"sum", "sum of losses"},
      {"swiglu", "gate of the MLP"},
      {"swiglu_backward", "gate of the MLP, backward"},
      {"unfolding", "attention of unfolding queries"},
      {"unfolding_backward", "attention of unfolding queries, backward"},
  };
  const auto found = kPurposes.find(kernel);
  return found == kPurposes.end() ? "" : found->second;
}

}  // namespace

Section kernel_table(const std::vector<core::KernelTime>& kernels, double seconds,
                     std::int64_t steps) {
  const double each = 1.0 / static_cast<double>(std::max<std::int64_t>(1, steps));
  Section section;
  section.key = "kernels";
  section.title = fmt::format("time by kernel, mean of {} step{}", steps, steps == 1 ? "" : "s");
  section.columns = {{"kernel", "kernel"},        {"purpose", "for"},
                     {"ms", "ms/step", 2},        {"percent", "%", 1},
                     {"calls", "calls/step", 1},  {"ms_per_call", "ms/call", 4},
                     {"gb_per_second", "GB/s", 0}};
  double inside = 0;
  for (const core::KernelTime& kernel : kernels) {
    inside += kernel.seconds;
    section.rows.push_back({kernel.name, purpose_of(kernel.name), kernel.seconds * 1e3 * each,
                            kernel.seconds / seconds * 100,
                            static_cast<double>(kernel.calls) * each,
                            kernel.seconds * 1e3 / static_cast<double>(kernel.calls),
                            kernel.bytes / kernel.seconds * 1e-9});
  }
  section.rows.push_back({"outside kernels",
                          std::string(),
                          (seconds - inside) * 1e3 * each,
                          (seconds - inside) / seconds * 100,
                          {},
                          {},
                          {}});
  section.notes = {
      "kernels run one by one while they are timed: a step is slower than without the table",
      "GB/s: tensors of the calls, each counted once; more than the memory gives is the cache, or "
      "a",
      "table of which few rows are touched"};
  return section;
}

}  // namespace unfold::cli::bench
