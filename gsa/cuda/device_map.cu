#include "gsa/cuda/device_map.cuh"

#include <algorithm>
#include <limits>

#include "gsa/cuda/launch.cuh"
#include "gsa/kernels/attention.h"

namespace unfold::gsa::kernels::cuda {
namespace {

// The reach of a row's keys in gathered order, row by row and class by class.
std::vector<std::int32_t> gather_reach(const BlockMap& map) {
  std::vector<std::int32_t> gathered(map.reach.end.size());
  const auto length = static_cast<std::size_t>(map.length());
  const auto classes = static_cast<std::size_t>(map.reach.classes);
  for (std::size_t at = 0; at < gathered.size(); ++at) {
    const std::size_t row = at / (classes * length);
    const std::size_t begin = at / length * length;
    gathered[at] =
        map.reach.end[begin + static_cast<std::size_t>(map.order[row * length + at % length])];
  }
  return gathered;
}

DeviceMap make_device_map(const BlockMap& map, core::Device device) {
  core::check(map.rows() * map.length() <= std::numeric_limits<std::int32_t>::max(), "attention",
              "{} rows of {} tokens: too many for one batch", map.rows(), map.length());
  DeviceMap made;
  const auto key_tiles = static_cast<int>(blocks_of(map.length(), kKeyTile));
  const KeyWork work = divide_key_work(map);
  const std::vector<std::int32_t> tile_order = longest_first(map);
  for (std::size_t tile = 0; tile + 1 < map.range_offsets.size(); ++tile) {
    core::check(map.range_offsets[tile + 1] - map.range_offsets[tile] <= kMaxRanges, "attention",
                "a tile of queries with {} ranges of keys",
                map.range_offsets[tile + 1] - map.range_offsets[tile]);
  }
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
  made.visitor_offsets = upload(work.visitor_offsets, device);
  made.visitors = upload(work.visitors, device);
  made.gathered_end = upload(gather_reach(map), device);
  made.tile_order = upload(tile_order, device);
  made.key_items = upload(work.items, device);
  made.divided_tiles = upload(work.divided, device);
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
               .gathered_end = uploaded<int>(made.gathered_end),
               .tile_order = uploaded<int>(made.tile_order),
               .tiles = static_cast<int>(tile_order.size()),
               .key_items = uploaded<KeyItem>(made.key_items),
               .divided_tiles = uploaded<DividedTile>(made.divided_tiles),
               .items = static_cast<int>(work.items.size()),
               .divided = static_cast<int>(work.divided.size()),
               .slots = work.slots,
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
