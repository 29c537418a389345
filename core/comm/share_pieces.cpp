#include "core/comm/share_pieces.h"

#include <algorithm>

namespace unfold::core {

std::vector<SharePiece> share_pieces(std::span<const std::int64_t> sizes, int world_size,
                                     std::int64_t most) {
  std::vector<SharePiece> pieces;
  for (std::size_t tensor = 0; tensor < sizes.size(); ++tensor) {
    const std::int64_t longest = share_of(sizes[tensor], world_size - 1, world_size).size();
    for (std::int64_t begin = 0; begin < longest;) {
      if (pieces.empty() || pieces.back().slot == most) pieces.emplace_back();
      SharePiece& piece = pieces.back();
      const std::int64_t count = std::min(longest - begin, most - piece.slot);
      piece.stretches.push_back({tensor, begin, begin + count, piece.slot});
      piece.slot += (count + kStretchUnit - 1) / kStretchUnit * kStretchUnit;
      begin += count;
    }
  }
  return pieces;
}

}  // namespace unfold::core
