// How tensors that are shared out among ranks are cut into pieces that fit into a buffer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/comm/share.h"

namespace unfold::core {

// Elements of which stretches begin at a multiple, in shares and in slots: memory at multiples of
// 16 bytes.
inline constexpr std::int64_t kStretchUnit = 16;

// Elements [begin, end) of every rank's share of a tensor. They lie at `at` in the rank's slot.
struct Stretch {
  std::size_t tensor = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t at = 0;

  // The same in the flat tensor of `size` elements: less, or nothing, where a rank's share ends
  // earlier than that of the last rank, the longest.
  Share in(std::int64_t size, int rank, int world_size) const {
    const Share share = share_of(size, rank, world_size);
    const std::int64_t first = std::min(share.begin + begin, share.end);
    return {first, std::min(share.begin + end, share.end)};
  }
};

// A buffer has one slot a rank.
struct SharePiece {
  std::vector<Stretch> stretches;
  std::int64_t slot = 0;  // elements of a slot that are used, in whole units
};

// Pieces of tensors of so many elements, with slots of at most `most` elements, a multiple of
// kStretchUnit.
std::vector<SharePiece> share_pieces(std::span<const std::int64_t> sizes, int world_size,
                                     std::int64_t most);

}  // namespace unfold::core
