#include "gsa/cuda/device_map.cuh"

#include <algorithm>
#include <limits>

#include "gsa/cuda/launch.cuh"
#include "gsa/kernels/attention.h"

namespace unfold::gsa::kernels::cuda {
namespace {

// The ranges of query tiles, turned round.
void find_visitors(const BlockMap& map, int key_tiles, std::vector<std::int32_t>& offsets,
                   std::vector<std::int32_t>& visitors) {
  std::vector<std::vector<std::int32_t>> of(static_cast<std::size_t>(key_tiles));
  offsets.push_back(0);
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
      visitors.insert(visitors.end(), tiles.begin(), tiles.end());
      core::check(visitors.size() <= std::numeric_limits<std::int32_t>::max(), "attention",
                  "{} visits of key tiles: too many for one batch", visitors.size());
      offsets.push_back(static_cast<std::int32_t>(visitors.size()));
    }
  }
}

DeviceMap make_device_map(const BlockMap& map, core::Device device) {
  core::check(map.rows() * map.length() <= std::numeric_limits<std::int32_t>::max(), "attention",
              "{} rows of {} tokens: too many for one batch", map.rows(), map.length());
  DeviceMap made;
  const auto key_tiles = static_cast<int>(blocks_of(map.length(), kKeyTile));
  std::vector<std::int32_t> visitor_offsets, visitors;
  find_visitors(map, key_tiles, visitor_offsets, visitors);
  std::int64_t most = 0;
  for (std::size_t row = 0; row + 1 < map.query_offsets.size(); ++row) {
    most = std::max(most, map.query_offsets[row + 1] - map.query_offsets[row]);
  }
  made.order = upload(map.order, device);
  made.end = upload(map.reach.end, device);
  made.query_class =
      upload(std::vector<std::int32_t>(map.reach.query_class.begin(), map.reach.query_class.end()),
             device);
  made.queries = upload(map.queries, device);
  made.query_offsets =
      upload(std::vector<std::int32_t>(map.query_offsets.begin(), map.query_offsets.end()), device);
  made.range_offsets = upload(map.range_offsets, device);
  made.ranges = upload(map.ranges, device);
  made.visitor_offsets = upload(visitor_offsets, device);
  made.visitors = upload(visitors, device);
  made.view = {.rows = static_cast<int>(map.rows()),
               .length = static_cast<int>(map.length()),
               .classes = map.reach.classes,
               .query_tile = static_cast<int>(std::min<std::int64_t>(
                   map.query_tile, std::numeric_limits<std::int32_t>::max())),
               .tiles_per_row = static_cast<int>(map.tiles_per_row),
               .key_tiles = key_tiles,
               .most_queries = static_cast<int>(std::min(most, map.query_tile)),
               .order = uploaded<int>(made.order),
               .end = uploaded<int>(made.end),
               .query_class = uploaded<int>(made.query_class),
               .queries = uploaded<int>(made.queries),
               .query_offsets = uploaded<int>(made.query_offsets),
               .range_offsets = uploaded<int>(made.range_offsets),
               .ranges = uploaded<int2>(made.ranges),
               .visitor_offsets = uploaded<int>(made.visitor_offsets),
               .visitors = uploaded<int>(made.visitors)};
  return made;
}

}  // namespace

std::shared_ptr<const DeviceMap> device_map(const BlockMap& map, core::Device device) {
  return map.device_copy.get<DeviceMap>(device, [&] { return make_device_map(map, device); });
}

void upload_map(const BlockMap& map, core::Device device) {
  device_map(map, device);
}

}  // namespace unfold::gsa::kernels::cuda
