// A chunk table on a device (gsa/chunk_table.h), flattened: what belongs to level l of document d
// lies behind offset d * levels + l.
#pragma once

#include <memory>

#include "core/tensor.h"
#include "gsa/chunk_table.h"

namespace unfold::gsa::kernels::cuda {

struct DeviceQuery {
  int document;
  int row;       // of the batch
  int position;  // in the row
  int tops;
};

// Pointers for kernels.
struct TableView {
  int documents, levels, queries;
  const DeviceQuery* suffix;  // (queries)
  const int* covered;         // (queries, levels) gists that a query selects from
  const int* first_query;     // (documents + 1)
  const int* gist_offsets;    // (documents * levels + 1)
  const int* gists;           // positions
  // The children of gist j of a level: first_child[offset + (d * levels + l) + j], and that behind
  // it; a level has one entry more than gists.
  const int* first_child;
  const int* raw_offsets;  // (documents + 1)
  const int* raw;          // positions of raw tokens
  // Of level-0 gists, laid out as gists are, and -1 for others: first raw token of the chunk, an
  // index as those of first_child.
  const int* chunk_begin;
  // Level-0 chunks that gist j of a level covers, laid out as first_child is.
  const int* first_chunk;

  __device__ int level(int document, int l) const { return document * levels + l; }
  __device__ int gist_count(int document, int l) const {
    return gist_offsets[level(document, l) + 1] - gist_offsets[level(document, l)];
  }
  __device__ const int* gists_of(int document, int l) const {
    return gists + gist_offsets[level(document, l)];
  }
  __device__ const int* children_of(int document, int l) const {
    return first_child + gist_offsets[level(document, l)] + level(document, l);
  }
  // The first raw token of every chunk of a document.
  __device__ const int* begins_of(int document) const {
    return chunk_begin + gist_offsets[level(document, 0)];
  }
  __device__ const int* chunks_of(int document, int l) const {
    return first_chunk + gist_offsets[level(document, l)] + level(document, l);
  }
};

// Up to 16 gists of one level of one document in which some query selects.
inline constexpr int kGistTile = 16;
struct GistTile {
  int document, level, first;
};

struct DeviceTable {
  TableView view;
  int gist_tile_count = 0;
  int most_gists = 0;            // of one level of one document
  std::int64_t most_chunks = 0;  // of one document
  core::Tensor suffix, covered, first_query, gist_offsets, gists, first_child, raw_offsets, raw,
      chunk_begin, first_chunk, gist_tiles;
};

std::shared_ptr<const DeviceTable> device_table(const ChunkTable& table, core::Device device);

}  // namespace unfold::gsa::kernels::cuda
