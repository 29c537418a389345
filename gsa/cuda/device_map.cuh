// A block map on a device (gsa/block_map.h): compact int32 arrays, uploaded by the first kernel
// that needs them, and what only kernels need: the reach in gathered order, the order in which
// blocks start, and for every tile of keys, the query tiles that visit it.
#pragma once

#include <memory>

#include "core/tensor.h"
#include "gsa/block_map.h"
#include "gsa/gist_config.h"
#include "gsa/key_work.h"

namespace unfold::gsa::kernels::cuda {

// Ranges a query tile has at most: one a group of keys.
inline constexpr int kMaxRanges = kMaxLevels + 1;

// Pointers for kernels.
struct MapView {
  int rows, length, classes, query_tile, tiles_per_row, key_tiles;
  int most_queries;          // of a tile
  const int* order;          // (rows, length) gathered index -> position in the row
  const int* end;            // (rows, classes, length) reach
  const int* query_class;    // (rows, length)
  const int* queries;        // positions, row by row
  const int* query_offsets;  // (rows + 1)
  const int* range_offsets;  // (rows * tiles_per_row + 1)
  const int2* ranges;        // gathered keys of a query tile
  const int* gathered_end;   // (rows, classes, length) reach, by gathered index
  const int* tile_order;     // (tiles) row * tiles_per_row + tile, those with most keys first
  int tiles;                 // query tiles that have queries
  const KeyItem* key_items;  // (items)
  const DividedTile* divided_tiles;  // (divided)
  int items, divided;
  int slots;                   // of the items of divided tiles
  const int* visitor_offsets;  // (rows * key_tiles + 1)
  const int* visitors;         // query tiles of the row that visit a key tile, ascending
};

struct DeviceMap {
  MapView view;
  core::Tensor order, end, query_class, queries, query_offsets, range_offsets, ranges,
      visitor_offsets, visitors, gathered_end, tile_order, key_items, divided_tiles;
};

std::shared_ptr<const DeviceMap> device_map(const BlockMap& map, core::Device device);

}  // namespace unfold::gsa::kernels::cuda
