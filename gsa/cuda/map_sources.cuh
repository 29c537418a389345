// The sources of the general kernels (gsa/cuda/attend.cuh) over a block map.
#pragma once

#include "gsa/cuda/attend_backward.cuh"
#include "gsa/cuda/device_map.cuh"
#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {

// The queries of one tile of the map: positions[0 .. count).
struct TileQueries {
  const int* positions;
  int count;
};

__device__ inline TileQueries tile_queries(const MapView& map, int row, int tile) {
  const int begin = map.query_offsets[row];
  const int count = map.query_offsets[row + 1] - begin;
  const long long first = static_cast<long long>(tile) * map.query_tile;
  if (first >= count) return {map.queries + begin, 0};
  const long long left = count - first;
  return {map.queries + begin + first,
          static_cast<int>(left < map.query_tile ? left : map.query_tile)};
}

// Block (x, y): x counts rows, tiles and parts of a tile; y is the key/value head. The queries of a
// tile are stacked head by head, and a block takes kTileRows of the stack: heads that share keys
// read them together.
template <typename T>
struct MapQueries {
  MapView map;
  Heads heads;
  const T* qkv;
  int parts;  // of the stack of a full tile

  struct Task {
    const MapQueries& source;
    TileQueries queries;
    IntervalWalk walk;
    const int* order;
    int batch_row, kv_head, first, rows;

    __device__ QueryRow row(int r) const {
      const MapView& map = source.map;
      const int at = first + r;
      QueryRow result;
      result.position = queries.positions[at % queries.count];
      result.head = kv_head * source.heads.group + at / queries.count;
      result.token = static_cast<std::int64_t>(batch_row) * map.length + result.position;
      result.query_class = map.query_class[result.token];
      result.out_at = source.heads.lse(result.token, result.head);
      result.end =
          map.end +
          (static_cast<std::int64_t>(batch_row) * map.classes + result.query_class) * map.length;
      return result;
    }
    __device__ bool next(int lane, KeyColumn<T>& column) {
      int gathered = -1;
      const bool more = walk.next(lane, gathered);
      column = {};
      if (gathered >= 0) {
        column.position = order[gathered];
        const std::int64_t token =
            static_cast<std::int64_t>(batch_row) * source.map.length + column.position;
        column.key = source.qkv + source.heads.key(token, kv_head);
        column.value = source.qkv + source.heads.value(token, kv_head);
      }
      return more;
    }
    __device__ bool sees(const QueryRow& query, const KeyColumn<T>& key) const {
      return key.position <= query.position && query.position < query.end[key.position];
    }
  };

  __device__ Task task(unsigned x, unsigned y) const {
    const int part = static_cast<int>(x) % parts;
    const int tile = static_cast<int>(x) / parts % map.tiles_per_row;
    const int row = static_cast<int>(x) / parts / map.tiles_per_row;
    const TileQueries queries = tile_queries(map, row, tile);
    const int at = row * map.tiles_per_row + tile;
    const int first = part * kTileRows;
    const int left = queries.count * heads.group - first;
    return {*this,
            queries,
            {map.ranges + map.range_offsets[at], map.ranges + map.range_offsets[at + 1], 0},
            map.order + static_cast<std::int64_t>(row) * map.length,
            row,
            static_cast<int>(y),
            first,
            left < kTileRows ? left : kTileRows};
  }
};

// Block (x, y): x counts rows and groups of kTileRows gathered keys; y is the key/value head.
// Visits the query tiles that visit the key tile.
struct MapKeys {
  static_assert(kKeyTile % kTileRows == 0);
  MapView map;
  Heads heads;
  int parts;  // groups of kTileRows keys a row

  struct Task {
    const MapKeys& source;
    const int* visitor;
    const int* visitors_end;
    int used;  // columns of *visitor that are done
    int batch_row, kv_head, first, rows;

    __device__ KeyRow row(int r) const {
      const MapView& map = source.map;
      KeyRow result;
      result.position = map.order[static_cast<std::int64_t>(batch_row) * map.length + first + r];
      result.token = static_cast<std::int64_t>(batch_row) * map.length + result.position;
      result.end = map.end + static_cast<std::int64_t>(batch_row) * map.classes * map.length +
                   result.position;
      result.end_stride = map.length;
      return result;
    }
    __device__ bool next(int lane, QueryColumn& column) {
      column = {};
      int filled = 0;
      while (filled < kTileColumns && visitor != visitors_end) {
        const TileQueries queries = tile_queries(source.map, batch_row, *visitor);
        const int left = queries.count * source.heads.group - used;
        const int room = kTileColumns - filled;
        const int take = left < room ? left : room;
        if (lane >= filled && lane < filled + take) {
          const int at = used + lane - filled;
          column.position = queries.positions[at % queries.count];
          column.head = kv_head * source.heads.group + at / queries.count;
          column.token = static_cast<std::int64_t>(batch_row) * source.map.length + column.position;
          column.query_class = source.map.query_class[column.token];
        }
        filled += take;
        if (take == left) {
          ++visitor;
          used = 0;
        } else {
          used += take;
        }
      }
      return filled > 0;
    }
    __device__ bool sees(const KeyRow& key, const QueryColumn& query) const {
      return key.position <= query.position &&
             query.position <
                 key.end[static_cast<std::int64_t>(query.query_class) * key.end_stride];
    }
  };

  __device__ Task task(unsigned x, unsigned y) const {
    const int row = static_cast<int>(x) / parts;
    const int first = static_cast<int>(x) % parts * kTileRows;
    const int tile = row * map.key_tiles + first / kKeyTile;
    const int left = map.length - first;
    return {*this,
            map.visitors + map.visitor_offsets[tile],
            map.visitors + map.visitor_offsets[tile + 1],
            0,
            row,
            static_cast<int>(y),
            first,
            left < kTileRows ? left : kTileRows};
  }
};

// The sources over a whole map, and the grids they stand for.
template <typename T>
MapQueries<T> map_queries(const MapView& map, const Heads& heads, const T* qkv) {
  const std::int64_t stack = static_cast<std::int64_t>(map.most_queries) * heads.group;
  return {map, heads, qkv, static_cast<int>(blocks_of(stack, kTileRows))};
}
template <typename T>
dim3 grid_of(const MapQueries<T>& source) {
  const std::int64_t tiles = static_cast<std::int64_t>(source.map.rows) * source.map.tiles_per_row;
  return dim3(grid_extent(tiles * source.parts), grid_extent(source.heads.kv_heads));
}
inline MapKeys map_keys(const MapView& map, const Heads& heads) {
  return {map, heads, static_cast<int>(blocks_of(map.length, kTileRows))};
}
inline dim3 grid_of(const MapKeys& source) {
  return dim3(grid_extent(static_cast<std::int64_t>(source.parts) * source.map.rows),
              grid_extent(source.heads.kv_heads));
}

}  // namespace unfold::gsa::kernels::cuda
