// Chunk table: which tokens every gist stands for, document by document. Built once a batch from
// the layout; selection descends it, unfolding reads chunks through it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/device_copy.h"
#include "gsa/layout.h"

namespace unfold::gsa {

// Keys at positions [begin, end) of a row.
struct KeySpan {
  std::int32_t begin;
  std::int32_t end;
  bool operator==(const KeySpan&) const = default;
};

// The gists of one level of one document, up to its last top-level gist.
struct ChunkLevel {
  std::vector<std::int32_t> gist;         // positions in the row, ascending
  std::vector<std::int32_t> first_child;  // (gists + 1) gist j covers children [first_child[j],
                                          // first_child[j + 1]) of the level below; level 0:
                                          // indices into DocumentChunks::raw
};

struct DocumentChunks {
  std::int32_t row = 0;
  std::int32_t begin = 0;  // positions [begin, end) of the row
  std::int32_t end = 0;
  std::int32_t suffix_begin = 0;  // first position behind the last top-level gist; end without one
  std::vector<ChunkLevel>
      levels;  // [0] chunks ... [L - 1] top; empty gists without a top-level gist
  std::vector<std::int32_t> raw;  // positions of all raw tokens, in order: those of the chunks
                                  // first, then the suffix
  // (chunks) index into raw of the first token of chunk j: levels[0].first_child[j], or with links
  // what follows the links or the system prompt, which no gist stands for.
  std::vector<std::int32_t> chunk_begin;
  // Of a prompt with links (gsa/links.h): the anchors, seen by whatever selects behind them.
  std::vector<KeySpan> anchors;

  std::int64_t chunks() const {
    return levels.empty() ? 0 : static_cast<std::int64_t>(levels[0].gist.size());
  }
  // Raw token positions of level-0 chunk j: one behind the other in the row.
  std::span<const std::int32_t> chunk(std::int64_t j) const;
  // Gists of a level that the first `tops` top-level gists cover: the first so many of the level.
  std::int32_t covered_gists(int level, std::int32_t tops) const;
  // First position behind the first `tops` top-level gists; begin for 0.
  std::int32_t behind(std::int32_t tops) const;
};

struct ChunkTable {
  std::vector<DocumentChunks> documents;

  // A query that selects: a raw token with a top-level gist before it, at or behind the position
  // from which its document selects; in a prompt with links, a link or a token of the suffix. What
  // the top-level gists before it cover is the context it selects from; every token behind the last
  // of them it sees anyway.
  struct SuffixQuery {
    std::int32_t document;  // index into documents
    std::int32_t position;  // in the row
    std::int32_t tops;      // top-level gists before it, at least 1
  };
  std::vector<SuffixQuery> suffix;  // all of them, in row order

  // The queries of document d are suffix[first_query[d] .. first_query[d + 1]).
  std::vector<std::int32_t> first_query;  // (documents + 1)

  DeviceCopy device_copy;  // of all this (gsa/cuda/device_table.cuh)

  const DocumentChunks& document_of(const SuffixQuery& query) const {
    return documents[static_cast<std::size_t>(query.document)];
  }
};

// select_from: for every document, in row order, the position in its row from which raw tokens
// select; below 0, and for all when empty: suffix_begin (METHOD.md section 7). An earlier position
// is for text that is chunked while it is generated (section 9): its tokens select among the chunks
// closed before them.
// sinks: S, which prompts with links have anchors by.
// Throws core::InternalError when there is not one position a document, or a position in a prompt
// with links.
ChunkTable make_chunk_table(const Layout& layout, std::span<const std::int32_t> select_from = {},
                            std::int64_t sinks = 0);

}  // namespace unfold::gsa
