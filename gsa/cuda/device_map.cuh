// A block map on a device (gsa/block_map.h): compact int32 arrays, uploaded by the first kernel
// that needs them, and what the backward needs besides: for every tile of keys, the query tiles
// that visit it.
#pragma once

#include <memory>

#include "core/tensor.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cuda {

// Gathered keys a key tile.
inline constexpr int kKeyTile = 64;

// Pointers for kernels.
struct MapView {
  int rows, length, classes, query_tile, tiles_per_row, key_tiles;
  int most_queries;            // of a tile
  const int* order;            // (rows, length) gathered index -> position in the row
  const int* end;              // (rows, classes, length) reach
  const int* query_class;      // (rows, length)
  const int* queries;          // positions, row by row
  const int* query_offsets;    // (rows + 1)
  const int* range_offsets;    // (rows * tiles_per_row + 1)
  const int2* ranges;          // gathered keys of a query tile
  const int* visitor_offsets;  // (rows * key_tiles + 1)
  const int* visitors;         // query tiles of the row that visit a key tile, ascending
};

struct DeviceMap {
  MapView view;
  core::Tensor order, end, query_class, queries, query_offsets, range_offsets, ranges,
      visitor_offsets, visitors;
};

std::shared_ptr<const DeviceMap> device_map(const BlockMap& map, core::Device device);

}  // namespace unfold::gsa::kernels::cuda
