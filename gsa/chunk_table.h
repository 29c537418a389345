// Chunk table: which tokens every gist stands for, document by document. Built once a batch from the
// layout; selection descends it, unfolding reads chunks through it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/layout.h"

namespace unfold::gsa {

// The gists of one level of one document, up to its last top-level gist.
struct ChunkLevel {
  std::vector<std::int32_t> gist;         // positions in the row, ascending
  std::vector<std::int32_t> first_child;  // (gists + 1) gist j covers children [first_child[j],
                                          // first_child[j + 1]) of the level below; level 0: indices
                                          // into DocumentChunks::raw
};

struct DocumentChunks {
  std::int32_t row = 0;
  std::int32_t begin = 0;         // positions [begin, end) of the row
  std::int32_t end = 0;
  std::int32_t suffix_begin = 0;  // first position behind the last top-level gist; begin without one
  std::vector<ChunkLevel> levels; // [0] chunks ... [L - 1] top; empty gists without a top-level gist
  std::vector<std::int32_t> raw;  // positions of the raw tokens of all chunks, in order

  std::int64_t chunks() const {
    return levels.empty() ? 0 : static_cast<std::int64_t>(levels[0].gist.size());
  }
  // Raw token positions of level-0 chunk j.
  std::span<const std::int32_t> chunk(std::int64_t j) const;
};

struct ChunkTable {
  std::vector<DocumentChunks> documents;

  // A query that selects: a suffix token of a document with chunks.
  struct SuffixQuery {
    std::int32_t document;  // index into documents
    std::int32_t position;  // in the row
  };
  std::vector<SuffixQuery> suffix;  // all of them, in row order
};

ChunkTable make_chunk_table(const Layout& layout);

}  // namespace unfold::gsa
