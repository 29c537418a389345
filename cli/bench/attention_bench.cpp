#include "cli/bench/attention_bench.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/bench/device_timing.h"
#include "cli/bench/model.h"
#include "cli/bench/timing.h"
#include "core/parallel.h"
#include "core/text_format.h"
#include "gsa/block_map.h"
#include "gsa/kernels/attention.h"
#include "train/plan.h"

namespace unfold::cli::bench {
namespace {

using core::Tensor;

struct Case {
  std::vector<std::int64_t> chunks;  // empty: causal
  std::int64_t rows;
  std::int64_t length;
};

// Keys that at least one query of a tile sees, summed over the tiles.
std::int64_t needed_keys(const gsa::BlockMap& map) {
  const gsa::Reach& reach = map.reach;
  std::int64_t needed = 0;
  for (std::int64_t row = 0; row < map.rows(); ++row) {
    const std::int8_t* query_class = reach.query_class.data() + row * map.length();
    for (std::int64_t begin = 0; begin < map.length(); begin += map.query_tile) {
      const std::int64_t end = std::min(map.length(), begin + map.query_tile);
      for (std::int64_t key = 0; key < end; ++key) {
        bool seen = false;
        for (std::int64_t query = std::max(begin, key); query < end && !seen; ++query) {
          seen = query < reach.at(row, query_class[query], key);
        }
        needed += seen ? 1 : 0;
      }
    }
  }
  return needed;
}

std::vector<Cell> measure(const Case& what, double seconds, std::vector<double>& causal) {
  gsa::GistConfig gist;
  gist.chunks = what.chunks;
  const models::DecoderConfig model = model_config();
  const gsa::AttentionShape shape = {model.heads, model.kv_heads, model.head_width()};
  const data::Batch batch = train::full_rows(gist, model.vocab_size, what.rows, what.length);
  const gsa::BlockMap map = gsa::make_block_map(batch.layout, gist, gsa::Visibility::gist);
  const std::int64_t tokens = batch.layout.size();
  const Tensor qkv = random_values({tokens, shape.qkv_width()}, core::DType::float32, {}, 1);
  const Tensor dout = random_values({tokens, shape.out_width()}, core::DType::float32, {}, 2);
  const Tensor out = Tensor::empty(dout.shape(), core::DType::float32);
  const Tensor lse = Tensor::empty({tokens, shape.heads}, core::DType::float32);
  const Tensor dqkv = Tensor::empty(qkv.shape(), core::DType::float32);
  const std::vector<double> best = fastest_of(
      seconds, 2, [&] { gsa::kernels::attention(qkv, shape, map, out, lse); },
      [&] { gsa::kernels::attention_backward(dout, qkv, out, lse, shape, map, dqkv); });
  if (what.chunks.empty()) causal = best;
  const auto visited = static_cast<double>(map.visited_keys());
  const auto needed = static_cast<double>(needed_keys(map));
  const auto pairs = static_cast<double>(gsa::count_visible_pairs(map.reach));
  // Multiply-adds of the two and five products over the pairs that are seen.
  const double work = 2e-9 * pairs * static_cast<double>(shape.heads * shape.width);
  return {what.chunks.empty() ? std::string("causal")
                              : fmt::format("gist {}", core::join(what.chunks, "x")),
          static_cast<double>(what.rows),
          static_cast<double>(what.length),
          pairs / static_cast<double>(tokens),
          visited,
          visited / needed,
          best[0] * 1e3,
          causal[0] / best[0],
          best[1] * 1e3,
          causal[1] / best[1],
          7 * work / (best[0] + best[1])};
}

}  // namespace

Section attention_section(double seconds) {
  Section section;
  section.key = "attention";
  section.title = fmt::format("attention of one layer, float32, {} threads", core::thread_count());
  section.columns = {{"attention", "attention"},
                     {"rows", "rows"},
                     {"length", "length"},
                     {"keys_per_query", "keys/query", 1},
                     {"visited_keys", "visited"},
                     {"visited_ratio", "of needed", 2},
                     {"forward_ms", "forward ms", 1},
                     {"forward_speedup", "x causal", 1},
                     {"backward_ms", "backward ms", 1},
                     {"backward_speedup", "x causal", 1},
                     {"gflops", "GFLOP/s", 1}};
  std::vector<double> causal;
  for (const Case& what : std::vector<Case>{{{}, kRows, kRowLength},
                                            {{8}, kRows, kRowLength},
                                            {{}, 1, 4 * kRowLength},
                                            {{8}, 1, 4 * kRowLength},
                                            {{8, 4}, 1, 4 * kRowLength}}) {
    section.rows.push_back(measure(what, seconds, causal));
  }
  section.notes = {
      "visited: keys read, summed over tiles of queries; needed: seen by a query of the tile",
      "x causal: times as fast as causal attention over as many positions"};
  return section;
}

}  // namespace unfold::cli::bench
