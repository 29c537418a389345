#include "cli/bench/attention_lengths.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "cli/bench/device_timing.h"
#include "core/error.h"
#include "core/log.h"
#include "gsa/block_map.h"
#include "gsa/kernels/attention.h"
#include "train/plan.h"

namespace unfold::cli::bench {
namespace {

using core::Tensor;

constexpr std::int64_t kLongestRow = std::int64_t{1} << 20;

void check(const AttentionLengthsOptions& options) {
  const auto between = [](const char* option, std::int64_t value, std::int64_t least,
                          std::int64_t most) {
    core::require(value >= least && value <= most, "bench", "{} {}: choose {} to {}", option, value,
                  least, most);
  };
  for (const std::int64_t length : options.lengths) between("--lengths", length, 2, kLongestRow);
  between("--positions", options.positions, 0, 16 * kLongestRow);
  between("--heads", options.shape.heads, 1, 1024);
  between("--kv-heads", options.shape.kv_heads, 1, options.shape.heads);
  core::require(options.shape.heads % options.shape.kv_heads == 0, "bench",
                "--kv-heads {} does not divide --heads {}", options.shape.kv_heads,
                options.shape.heads);
  between("--width", options.shape.width, 2, 256);
  between("--chunk", options.chunk, 1, kLongestRow);
  between("--sinks", options.sinks, 0, kLongestRow);
  between("--previous", options.previous_chunks, 0, kLongestRow);
}

// Seconds of the forward pass, the backward pass, and one behind the other.
std::array<double, 3> time_passes(const AttentionLengthsOptions& options, const gsa::BlockMap& map,
                                  core::DType dtype) {
  const gsa::AttentionShape& shape = options.shape;
  const std::int64_t tokens = map.rows() * map.length();
  const core::Device device = options.device;
  const Tensor qkv = random_values({tokens, shape.qkv_width()}, dtype, device, 1);
  const Tensor dout = random_values({tokens, shape.out_width()}, dtype, device, 2);
  const Tensor out = Tensor::empty(dout.shape(), dtype, device);
  const Tensor lse = Tensor::empty({tokens, shape.heads}, core::accumulator_of(dtype), device);
  const Tensor dqkv = Tensor::empty(qkv.shape(), dtype, device);
  const auto forward = [&] { gsa::kernels::attention(qkv, shape, map, out, lse); };
  const auto backward = [&] {
    gsa::kernels::attention_backward(dout, qkv, out, lse, shape, map, dqkv);
  };
  return {median_seconds(device, options.seconds, forward),
          median_seconds(device, options.seconds, backward),
          median_seconds(device, options.seconds, [&] {
            forward();
            backward();
          })};
}

}  // namespace

Section attention_lengths_section(const AttentionLengthsOptions& options) {
  check(options);
  const bool on_cpu = options.device.is_cpu();
  const core::DType dtype = on_cpu ? core::DType::float32 : core::DType::bfloat16;
  std::vector<std::int64_t> lengths = options.lengths;
  if (lengths.empty()) {
    lengths = on_cpu ? std::vector<std::int64_t>{512, 2048}
                     : std::vector<std::int64_t>{1024, 4096, 16384, 32768};
  }
  const std::int64_t positions = options.positions > 0 ? options.positions : on_cpu ? 2048 : 32768;
  const gsa::AttentionShape& shape = options.shape;
  Section section;
  section.key = "attention";
  section.title = fmt::format(
      "attention of one layer on {}: {} heads of {}, {} key/value heads, {}; chunk {}, {} sinks, "
      "{} previous",
      core::name_of(options.device), shape.heads, shape.width, shape.kv_heads, core::name_of(dtype),
      options.chunk, options.sinks, options.previous_chunks);
  section.columns = {{"attention", "attention"},
                     {"rows", "rows"},
                     {"length", "length"},
                     {"keys_per_query", "keys/query", 1},
                     {"forward_ms", "forward ms", 3},
                     {"forward_tflops", "TFLOP/s", on_cpu ? 4 : 1},
                     {"backward_ms", "backward ms", 3},
                     {"backward_tflops", "TFLOP/s", on_cpu ? 4 : 1},
                     {"both_ms", "both ms", 3},
                     {"both_tflops", "TFLOP/s", on_cpu ? 4 : 1},
                     {"speedup", "x causal", 2}};
  for (const std::int64_t length : lengths) {
    double causal = 0;
    for (const bool with_gists : {false, true}) {
      gsa::GistConfig gist;
      gist.chunks.clear();
      if (with_gists) gist.chunks = {options.chunk};
      gist.sinks = options.sinks;
      gist.previous_chunks = options.previous_chunks;
      const std::int64_t rows = std::max<std::int64_t>(1, positions / length);
      const std::string name = with_gists ? fmt::format("gist {}", options.chunk) : "causal";
      core::log::info("{} rows of {}, {}", rows, length, name);
      const data::Batch batch = train::full_rows(gist, 16, rows, length);
      const gsa::BlockMap map = gsa::make_block_map(batch.layout, gist, gsa::Visibility::gist);
      const auto pairs = static_cast<double>(gsa::count_visible_pairs(map.reach));
      const auto [forward, backward, both] = time_passes(options, map, dtype);
      if (!with_gists) causal = both;
      const double work = 4e-12 * pairs * static_cast<double>(shape.heads * shape.width);
      section.rows.push_back({name, static_cast<double>(rows), static_cast<double>(length),
                              pairs / static_cast<double>(rows * length), forward * 1e3,
                              work / forward, backward * 1e3, 2.5 * work / backward, both * 1e3,
                              3.5 * work / both, causal / both});
    }
  }
  section.notes = {"TFLOP/s over the pairs that are seen; x causal: forward and backward pass"};
  return section;
}

}  // namespace unfold::cli::bench
