// Selection: a block descends for one (suffix query, key/value head). It takes the query heads one
// after the other: scores the candidates of a level, finds the best of them by radix selection, and
// writes down their children, in order, as the candidates of the next level. What the heads pick is
// united in bits, one a gist; a second kernel turns them into lists.
//
// Scores are sums in the accumulator dtype, in another order than on the CPU: picks are the same
// where no two scores are within rounding of each other, and where they are exactly equal.
#include "gsa/cuda/selection.cuh"

#include <algorithm>
#include <array>

#include "gsa/cuda/device_table.cuh"
#include "gsa/cuda/heads.cuh"
#include "gsa/cuda/launch.cuh"
#include "gsa/cuda/tile.cuh"
#include "gsa/kernels/selection.h"

namespace unfold::gsa::kernels::cuda {
namespace {

// Bytes of candidates and scores that are in memory at a time.
constexpr std::int64_t kScratchBytes = 64 << 20;

// Where the bits of a pair's levels begin, in words; the last is the number of words.
using LevelWords = std::array<int, kMaxLevels + 1>;

template <typename T>
struct SelectArguments {
  using A = Accumulator<T>;
  TableView table;
  Heads heads;
  const T* qkv;
  int length;
  const int* budget;  // (queries, levels) picks of a head
  LevelWords words;
  int most;             // candidates of a level
  OrderedKey<A>* keys;  // (blocks, most)
  int* candidates;      // (blocks, 2, most)
  unsigned* bits;       // (pairs, words)
  int* counts;          // (pairs, levels)
  int* scored;          // (pairs)
};

// The picks among the n candidates of a level: sets their bits, writes their children to `next` and
// returns their number. candidates: nullptr where candidate i is gist i. One warp.
template <typename Key>
__device__ int take(const Key* keys, int n, bool all, Cut<Key> cut, const int* candidates,
                    const int* first_child, unsigned* bits, int* next) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  int ties_before = 0;
  int children = 0;
  for (int base = 0; base < n; base += kWarp) {
    const int i = base + lane;
    const bool here = i < n;
    const Key key = here ? keys[i] : Key(0);
    const bool tie = here && !all && key == cut.threshold;
    const unsigned tie_mask = __ballot_sync(kFullWarp, tie);
    const int rank = ties_before + __popc(tie_mask & ((1u << lane) - 1));
    const bool picked = here && (all || key > cut.threshold || (tie && rank < cut.ties));
    ties_before += __popc(tie_mask);
    int gist = 0;
    int width = 0;
    if (picked) {
      gist = candidates == nullptr ? i : candidates[i];
      atomicOr(bits + gist / 32, 1u << (gist % 32));
      if (next != nullptr) width = first_child[gist + 1] - first_child[gist];
    }
    const int through = warp_prefix(width);
    for (int c = 0; c < width; ++c) {
      next[children + through - width + c] = first_child[gist] + c;
    }
    children += __shfl_sync(kFullWarp, through, kWarp - 1);
  }
  return children;
}

template <typename T>
__global__ void __launch_bounds__(kSelectThreads)
    descend(SelectArguments<T> in, std::int64_t first_pair) {
  using A = Accumulator<T>;
  using Key = OrderedKey<A>;
  __shared__ A query_vector[kMaxWidth];
  __shared__ SelectShared shared;
  __shared__ int next_count;
  __shared__ int level_counts[kMaxLevels];
  const TableView& table = in.table;
  const std::int64_t pair = first_pair + blockIdx.x;
  const int query = static_cast<int>(pair / in.heads.kv_heads);
  const int kv_head = static_cast<int>(pair % in.heads.kv_heads);
  const DeviceQuery own = table.suffix[query];
  const std::int64_t row_token = static_cast<std::int64_t>(own.row) * in.length;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  Key* keys = in.keys + static_cast<std::int64_t>(blockIdx.x) * in.most;
  int* lists = in.candidates + static_cast<std::int64_t>(blockIdx.x) * 2 * in.most;
  unsigned* bits = in.bits + pair * in.words[kMaxLevels];
  int scored = 0;
  for (int h = 0; h < in.heads.group; ++h) {
    const T* from = in.qkv + in.heads.query(row_token + own.position, kv_head * in.heads.group + h);
    __syncthreads();
    for (int d = threadIdx.x; d < in.heads.width; d += kSelectThreads) {
      query_vector[d] = widen(from[d]);
    }
    __syncthreads();
    int n = own.tops;
    const int* candidates = nullptr;
    for (int level = table.levels - 1; level >= 0; --level) {
      const int* gists = table.gists_of(own.document, level);
      for (int i = warp; i < n; i += kSelectThreads / kWarp) {
        const int gist = gists[candidates == nullptr ? i : candidates[i]];
        const T* key = in.qkv + in.heads.key(row_token + gist, kv_head);
        A sum = A(0);
        for (int d = lane; d < in.heads.width; d += kWarp) sum += query_vector[d] * widen(key[d]);
        sum = warp_sum(sum);
        if (lane == 0) keys[i] = ordered(sum);
      }
      scored += n;
      __syncthreads();
      const int budget = in.budget[query * table.levels + level];
      const bool all = budget >= n;
      Cut<Key> cut{0, 0};
      if (!all && budget > 0) cut = find_cut(keys, n, budget, shared);
      int* next = level == 0 ? nullptr : lists + (level % 2) * in.most;
      if (warp == 0) {
        const int children = all || budget > 0 ? take(keys, n, all, cut, candidates,
                                                      table.children_of(own.document, level),
                                                      bits + in.words[level], next)
                                               : 0;
        if (lane == 0) next_count = children;
      }
      __syncthreads();
      n = next_count;
      candidates = next;
    }
  }
  if (threadIdx.x < kMaxLevels) level_counts[threadIdx.x] = 0;
  __syncthreads();
  for (int level = 0; level < table.levels; ++level) {
    for (int w = in.words[level] + static_cast<int>(threadIdx.x); w < in.words[level + 1];
         w += kSelectThreads) {
      atomicAdd(&level_counts[level], __popc(bits[w]));
    }
  }
  __syncthreads();
  if (static_cast<int>(threadIdx.x) < table.levels) {
    in.counts[pair * table.levels + threadIdx.x] = level_counts[threadIdx.x];
  }
  if (threadIdx.x == 0) in.scored[pair] = scored;
}

// The bits of a pair and level as a list, ascending; a warp each.
__global__ void __launch_bounds__(kWarp)
    list_picks(const unsigned* bits, LevelWords words, int levels, const int* offsets, int* picks) {
  const std::int64_t pair = blockIdx.x;
  const int lane = static_cast<int>(threadIdx.x);
  const unsigned* own = bits + pair * words[kMaxLevels];
  for (int level = 0; level < levels; ++level) {
    int at = offsets[pair * levels + level];
    for (int base = words[level]; base < words[level + 1]; base += kWarp) {
      unsigned word = base + lane < words[level + 1] ? own[base + lane] : 0u;
      const int count = __popc(word);
      const int through = warp_prefix(count);
      int to = at + through - count;
      while (word != 0) {
        picks[to++] = (base + lane - words[level]) * 32 + __ffs(static_cast<int>(word)) - 1;
        word &= word - 1;
      }
      at += __shfl_sync(kFullWarp, through, kWarp - 1);
    }
  }
}

// The words of a pair: as many as the longest level of any document needs.
LevelWords level_words(const ChunkTable& table, int levels) {
  LevelWords words{};
  for (int level = 0; level < kMaxLevels; ++level) {
    std::size_t most = 0;
    for (const DocumentChunks& document : table.documents) {
      if (level < levels) {
        most = std::max(most, document.levels[static_cast<std::size_t>(level)].gist.size());
      }
    }
    words[static_cast<std::size_t>(level) + 1] =
        words[static_cast<std::size_t>(level)] + static_cast<int>((most + 31) / 32);
  }
  return words;
}

std::vector<std::int32_t> budgets(const ChunkTable& table, const SelectionConfig& config,
                                  std::int64_t group, int levels) {
  std::vector<std::int32_t> result;
  for (const ChunkTable::SuffixQuery& query : table.suffix) {
    const DocumentChunks& document = table.document_of(query);
    const std::int64_t entries = query.position - document.begin + 1;
    for (int level = 0; level < levels; ++level) {
      result.push_back(static_cast<std::int32_t>(
          pick_count(config, entries, group, document.covered_gists(level, query.tops))));
    }
  }
  return result;
}

template <typename T>
void select_on_device(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
                      std::int64_t length, const SelectionConfig& config, Selection& selection) {
  using A = Accumulator<T>;
  const core::Device device = qkv.device();
  const auto on_device = device_table(table, device);
  const int levels = selection.levels;
  const LevelWords words = level_words(table, levels);
  const std::int64_t pairs = static_cast<std::int64_t>(table.suffix.size()) * shape.kv_heads;
  const auto integers = [&](std::int64_t count) {
    return Tensor::empty({count}, core::DType::int32, device);
  };
  const std::int64_t most = std::max(1, on_device->most_gists);
  const std::int64_t bytes_of_block = most * static_cast<std::int64_t>(sizeof(A) + 8);
  const std::int64_t batch = std::clamp<std::int64_t>(kScratchBytes / bytes_of_block, 1, pairs);
  const Tensor budget = upload(budgets(table, config, shape.group(), levels), device);
  const Tensor keys = Tensor::empty({batch * most}, core::dtype_of<A>, device);
  const Tensor candidates = integers(batch * 2 * most);
  const Tensor bits = integers(pairs * words[kMaxLevels]);
  const Tensor counts = integers(pairs * levels);
  const Tensor scored = integers(pairs);
  set_zero(bits);
  const SelectArguments<T> arguments{on_device->view,
                                     Heads(shape),
                                     qkv.data<T>(),
                                     static_cast<int>(length),
                                     budget.data<std::int32_t>(),
                                     words,
                                     static_cast<int>(most),
                                     reinterpret_cast<OrderedKey<A>*>(keys.data<A>()),
                                     candidates.data<std::int32_t>(),
                                     reinterpret_cast<unsigned*>(bits.data<std::int32_t>()),
                                     counts.data<std::int32_t>(),
                                     scored.data<std::int32_t>()};
  for (std::int64_t first = 0; first < pairs; first += batch) {
    const unsigned blocks = grid_extent(std::min(batch, pairs - first));
    descend<T><<<blocks, kSelectThreads, 0, stream()>>>(arguments, first);
    check_launch("select_chunks");
  }
  const std::vector<std::int32_t> host_counts = download(counts);
  for (const std::int32_t count : host_counts) {
    selection.offsets.push_back(selection.offsets.back() + count);
  }
  for (const std::int32_t count : download(scored)) selection.scores_computed += count;
  const std::int64_t total = selection.offsets.back();
  core::check(total <= std::numeric_limits<std::int32_t>::max(), "select_chunks",
              "{} picks: too many for one batch", total);
  const Tensor offsets =
      upload(std::vector<std::int32_t>(selection.offsets.begin(), selection.offsets.end()), device);
  const Tensor picks = integers(total);
  list_picks<<<grid_extent(pairs), kWarp, 0, stream()>>>(
      arguments.bits, words, levels, offsets.data<std::int32_t>(), picks.data<std::int32_t>());
  check_launch("list_picks");
  selection.picks = download(picks);
}

}  // namespace

void select_chunks(const Tensor& qkv, const AttentionShape& shape, const ChunkTable& table,
                   std::int64_t length, const SelectionConfig& config, Selection& selection) {
  if (config.budget == Budget::top_p || config.pivot != Pivot::gist) {
    // Ways to compare with, not to train with: the CPU's own code on a copy.
    cpu::select_chunks(qkv.to(core::Device{}), shape, table, length, config, selection);
    return;
  }
  selection.levels =
      table.documents.empty() ? 0 : static_cast<int>(table.documents[0].levels.size());
  selection.kv_heads = shape.kv_heads;
  selection.offsets = {0};
  selection.picks.clear();
  selection.scores_computed = 0;
  if (table.suffix.empty()) return;
  core::require(shape.width <= kMaxWidth, "cuda",
                "a head width of {}: the CUDA kernels take up to {}", shape.width, kMaxWidth);
  core::cuda::use(qkv.device().index);
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    select_on_device<T>(qkv, shape, table, length, config, selection);
  });
}

}  // namespace unfold::gsa::kernels::cuda
