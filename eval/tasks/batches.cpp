#include "eval/tasks/batches.h"

#include <algorithm>
#include <numeric>

#include "core/dtype.h"
#include "eval/method.h"

namespace unfold::eval {
namespace {

constexpr std::int64_t kGpuPositions = 131072;
constexpr std::int64_t kGpuCacheBytes = std::int64_t{8} << 30;
constexpr std::size_t kMostSequences = 256;

}  // namespace

std::int64_t batch_positions(std::int64_t wanted, const models::Decoder& decoder) {
  if (wanted > 0) return wanted;
  if (decoder.device().is_cpu()) return kBatchPositions;
  const gsa::AttentionShape shape = decoder.attention_shape();
  const std::int64_t bytes = 2 * decoder.config().layers * shape.kv_heads * shape.width *
                             static_cast<std::int64_t>(core::size_of(decoder.dtype()));
  return std::clamp(kGpuCacheBytes / bytes, kBatchPositions, kGpuPositions);
}

std::vector<std::vector<std::int64_t>> make_batches(std::span<const std::int64_t> sizes,
                                                    std::int64_t positions, int rank, int world) {
  std::vector<std::int64_t> order(sizes.size());
  std::iota(order.begin(), order.end(), 0);
  const auto size_of = [&](std::int64_t i) { return sizes[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return size_of(a) > size_of(b); });
  std::vector<std::vector<std::int64_t>> batches;
  std::int64_t longest = 0;  // of the batch that is being filled: its first
  for (std::size_t at = static_cast<std::size_t>(rank); at < order.size();
       at += static_cast<std::size_t>(world)) {
    const std::int64_t i = order[at];
    const bool full = batches.empty() || batches.back().size() >= kMostSequences ||
                      (static_cast<std::int64_t>(batches.back().size()) + 1) * longest > positions;
    if (full) {
      batches.emplace_back();
      longest = std::max<std::int64_t>(1, size_of(i));
    }
    batches.back().push_back(i);
  }
  return batches;
}

}  // namespace unfold::eval
