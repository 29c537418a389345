// How the work of the keys' gradients is divided: a tile of keys that many queries visit would keep
// one block of a GPU busy long after all others are done, so its query tiles are dealt out to
// several.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/block_map.h"

namespace unfold::gsa {

// Gathered keys a key tile.
inline constexpr int kKeyTile = 64;

// One block's share, of every key/value head.
struct KeyItem {
  std::int32_t row, tile;   // of keys
  std::int32_t begin, end;  // of the map's list of visitors
  std::int32_t queries;     // of these visitors together
  std::int32_t slot;        // where its sums go; -1: it has all queries of the tile
  std::int32_t unused[2];
};

// A tile with several items: its sums are in slots [slot, slot + parts).
struct DividedTile {
  std::int32_t row, tile, slot, parts;
};

struct KeyWork {
  std::vector<std::int32_t> visitor_offsets;  // (rows * key_tiles + 1)
  std::vector<std::int32_t> visitors;         // query tiles that visit a key tile, ascending
  std::vector<KeyItem> items;                 // most queries first
  std::vector<DividedTile> divided;
  std::int32_t slots = 0;
};

// Turns the ranges of the map's query tiles round and divides what comes out: about kKeyItems items
// if the work allows it, none of fewer than kFewestQueries queries but where a tile has no more.
inline constexpr std::int64_t kKeyItems = 768;
inline constexpr std::int64_t kFewestQueries = 512;
KeyWork divide_key_work(const BlockMap& map);

// Query tiles that have queries, row * tiles_per_row + tile: those that visit most keys first.
std::vector<std::int32_t> longest_first(const BlockMap& map);

}  // namespace unfold::gsa
