// Block map: which keys each tile of queries has to visit, as a few contiguous ranges.
//
// The keys of a row are gathered into groups in which reach never decreases, so that the keys a
// tile of queries needs are one contiguous range a group:
//   group 0        sinks and top-level gists of all documents (seen until the document ends); with
//                  links (gsa/links.h) their anchors as well
//   groups 1..L-1  gists of level L-2 .. 0 (seen until a higher gist closes over them)
//   last group     the remaining raw tokens (the narrow diagonal)
// Under windows (KeyWindow) there are two groups: sinks, and all other tokens.
// A kernel walks the ranges; inside a range it tests single pairs with the reach (gsa/reach.h).
// Causal attention is the case with one group (the order is the identity), full attention has two:
// gists (each sees itself alone) and raw tokens. Packed documents need nothing special; documents
// without gists and padding belong to the last group.
//
// Ranges are tight: the first and the last key of a range are each seen by a query of the tile.
//
// A map may be restricted to some queries, when the others attend in another way: its tiles hold
// those queries alone. All keys stay.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/device_copy.h"
#include "gsa/reach.h"

namespace unfold::gsa {

// Keys [begin, end) of a row in gathered order.
struct KeyRange {
  std::int32_t begin;
  std::int32_t end;
  bool operator==(const KeyRange&) const = default;
};

// Tokens [begin, begin + length), counted over all rows.
struct TokenSpan {
  std::int64_t begin;
  std::int32_t length;
  bool operator==(const TokenSpan&) const = default;
};

struct BlockMap {
  Reach reach;
  std::int64_t query_tile = 64;             // queries a tile
  std::int64_t tiles_per_row = 0;           // ceil(most queries of a row / query_tile)
  std::vector<std::int32_t> queries;        // positions of the queries, row by row, ascending
  std::vector<std::int64_t> query_offsets;  // (rows + 1): CSR offsets into queries
  std::vector<std::int32_t> order;          // (rows, length): gathered index -> position in the row
  std::vector<std::int32_t> range_offsets;  // (rows * tiles_per_row + 1): CSR offsets into ranges
  std::vector<KeyRange> ranges;             // non-empty ranges, in group order
  // The documents, in order, where the map is plain causal attention of each of them: every token
  // attends, to all tokens of its document up to itself. Padding, which sees itself alone, is in
  // none. Empty where the map is anything else. Attention that knows no maps needs no more.
  std::vector<TokenSpan> causal_documents;
  DeviceCopy device_copy;     // of all above (gsa/cuda/device_map.cuh)
  DeviceCopy documents_copy;  // of causal_documents (gsa/cuda/cudnn_documents.h)

  std::int64_t rows() const { return reach.rows; }
  std::int64_t length() const { return reach.length; }
  std::span<const KeyRange> tile_ranges(std::int64_t row, std::int64_t tile) const;
  // The queries of a tile; none where its row has fewer tiles than another.
  std::span<const std::int32_t> tile_queries(std::int64_t row, std::int64_t tile) const;
  // Whether every row is one causal document without padding.
  bool causal_rows() const;
  // Key positions read, summed over query tiles (what a kernel visits).
  std::int64_t visited_keys() const;
};

// Builds the map in about O(rows * length * classes). query_tile > 0.
// Throws core::InternalError as compute_reach does.
BlockMap make_block_map(const Layout& layout, const GistConfig& config, Visibility visibility,
                        std::int64_t query_tile = 64);
// The map of the queries for which attends (rows, length) is not 0.
BlockMap make_block_map(const Layout& layout, const GistConfig& config, Visibility visibility,
                        std::span<const std::uint8_t> attends, std::int64_t query_tile = 64);

// The map of all queries under a window a document (window_reach).
BlockMap make_window_map(const Layout& layout, std::span<const KeyWindow> windows,
                         std::int64_t query_tile = 64);

// Exact number of visible (query, key) pairs of the layout, O(rows * length * classes) time.
std::int64_t count_visible_pairs(const Reach& reach);
// The pairs whose query stands at positions [begin, end) of one row.
std::int64_t count_visible_pairs(const Reach& reach, std::int64_t row, std::int64_t begin,
                                 std::int64_t end);
// The pairs of the queries of a map.
std::int64_t count_visible_pairs(const BlockMap& map);

}  // namespace unfold::gsa
