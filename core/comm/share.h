// Which part of a tensor a rank owns when a tensor is shared out among ranks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace unfold::core {

struct Share {
  std::int64_t begin = 0;  // elements of the flat tensor
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const Share&) const = default;
};

// Shares begin at multiples of this, so that kernels cut a share as they cut the whole tensor.
inline constexpr std::int64_t kShareUnit = 1024;

// Equal parts of whole units; what is left over, about world_size units at the most, goes to the
// last rank.
constexpr std::int64_t equal_part(std::int64_t size, int world_size) {
  return size / (kShareUnit * world_size) * kShareUnit;
}
constexpr Share share_of(std::int64_t size, int rank, int world_size) {
  const std::int64_t part = equal_part(size, world_size);
  return {part * rank, rank + 1 == world_size ? size : part * (rank + 1)};
}

// Parts of a list of `count` items that differ by at most one, in the order of ranks.
constexpr Share even_share_of(std::int64_t count, int rank, int world_size) {
  return {count * rank / world_size, count * (rank + 1) / world_size};
}

}  // namespace unfold::core
