#include "gsa/key_work.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace unfold::gsa {
namespace {

void find_visitors(const BlockMap& map, std::int64_t key_tiles, KeyWork& work) {
  std::vector<std::vector<std::int32_t>> of(static_cast<std::size_t>(key_tiles));
  work.visitor_offsets.push_back(0);
  for (std::int64_t row = 0; row < map.rows(); ++row) {
    for (std::vector<std::int32_t>& tiles : of) tiles.clear();
    for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
      for (const KeyRange& range : map.tile_ranges(row, tile)) {
        for (std::int32_t k = range.begin / kKeyTile; k <= (range.end - 1) / kKeyTile; ++k) {
          // Two ranges of a tile may meet in one key tile.
          std::vector<std::int32_t>& tiles = of[static_cast<std::size_t>(k)];
          if (tiles.empty() || tiles.back() != tile) {
            tiles.push_back(static_cast<std::int32_t>(tile));
          }
        }
      }
    }
    for (const std::vector<std::int32_t>& tiles : of) {
      work.visitors.insert(work.visitors.end(), tiles.begin(), tiles.end());
      core::check(work.visitors.size() <= std::numeric_limits<std::int32_t>::max(), "attention",
                  "{} visits of key tiles: too many for one batch", work.visitors.size());
      work.visitor_offsets.push_back(static_cast<std::int32_t>(work.visitors.size()));
    }
  }
}

}  // namespace

KeyWork divide_key_work(const BlockMap& map) {
  KeyWork work;
  const std::int64_t key_tiles = (map.length() + kKeyTile - 1) / kKeyTile;
  find_visitors(map, key_tiles, work);
  const auto queries_of = [&](std::int64_t row, std::int32_t visitor) {
    return static_cast<std::int64_t>(
        map.tile_queries(row, work.visitors[static_cast<std::size_t>(visitor)]).size());
  };
  std::vector<std::int64_t> queries;  // of each tile of keys
  for (std::int64_t row = 0; row < map.rows(); ++row) {
    for (std::int64_t tile = 0; tile < key_tiles; ++tile) {
      const auto at = static_cast<std::size_t>(row * key_tiles + tile);
      std::int64_t count = 0;
      for (std::int32_t v = work.visitor_offsets[at]; v < work.visitor_offsets[at + 1]; ++v) {
        count += queries_of(row, v);
      }
      queries.push_back(count);
    }
  }
  const std::int64_t all = std::accumulate(queries.begin(), queries.end(), std::int64_t{0});
  const std::int64_t most = std::max(kFewestQueries, all / kKeyItems);
  for (std::int64_t row = 0; row < map.rows(); ++row) {
    for (std::int64_t tile = 0; tile < key_tiles; ++tile) {
      const auto at = static_cast<std::size_t>(row * key_tiles + tile);
      const std::int64_t parts = std::max<std::int64_t>(1, (queries[at] + most - 1) / most);
      const std::int64_t share = (queries[at] + parts - 1) / parts;
      const std::size_t first = work.items.size();
      const std::int32_t end = work.visitor_offsets[at + 1];
      std::int32_t v = work.visitor_offsets[at];
      do {  // a tile that nobody visits has an item, too: its gradients are zeros
        KeyItem item = {.row = static_cast<std::int32_t>(row),
                        .tile = static_cast<std::int32_t>(tile),
                        .begin = v,
                        .end = v,
                        .queries = 0,
                        .slot = -1,
                        .unused = {}};
        std::int64_t count = 0;
        for (; v < end && count < share; ++v) {
          count += queries_of(row, v);
        }
        core::check(count <= std::numeric_limits<std::int32_t>::max(), "attention",
                    "{} queries of one tile of keys: too many for one batch", count);
        item.end = v;
        item.queries = static_cast<std::int32_t>(count);
        work.items.push_back(item);
      } while (v < end);
      const auto made = static_cast<std::int32_t>(work.items.size() - first);
      if (made == 1) continue;
      work.divided.push_back(
          {static_cast<std::int32_t>(row), static_cast<std::int32_t>(tile), work.slots, made});
      for (std::size_t i = first; i < work.items.size(); ++i) work.items[i].slot = work.slots++;
    }
  }
  std::stable_sort(work.items.begin(), work.items.end(),
                   [](const KeyItem& a, const KeyItem& b) { return a.queries > b.queries; });
  return work;
}

std::vector<std::int32_t> longest_first(const BlockMap& map) {
  std::vector<std::int32_t> tiles;
  std::vector<std::int64_t> keys(static_cast<std::size_t>(map.rows() * map.tiles_per_row), 0);
  for (std::int64_t row = 0; row < map.rows(); ++row) {
    for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
      if (map.tile_queries(row, tile).empty()) continue;
      const std::int64_t at = row * map.tiles_per_row + tile;
      tiles.push_back(static_cast<std::int32_t>(at));
      for (const KeyRange& range : map.tile_ranges(row, tile)) {
        keys[static_cast<std::size_t>(at)] += range.end - range.begin;
      }
    }
  }
  std::stable_sort(tiles.begin(), tiles.end(), [&](std::int32_t a, std::int32_t b) {
    return keys[static_cast<std::size_t>(a)] > keys[static_cast<std::size_t>(b)];
  });
  return tiles;
}

}  // namespace unfold::gsa
