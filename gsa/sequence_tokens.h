// What the tokens of one growing sequence are: the layout of a single document that is not finished
// yet. Generation appends to it; prefixes keep their meaning, so a query's view of the sequence is
// a matter of counts.
//
// A token belongs to a section: 0 for raw tokens, 1 + l for gists of level l. Its index within the
// section is where its key lies in a cache (gsa/key_store.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/chunk_table.h"

namespace unfold::gsa {

inline int section_of(int level) {
  return level + 1;
}

// What a token is in a sequence with links (METHOD.md section 8, gsa/links.h).
enum class TokenRole : std::uint8_t {
  plain,
  anchor,  // raw; every later raw token sees it: system prompt, sinks of documents
  link,    // an anchor that itself sees anchors and gists, but no other raw token
};

class SequenceTokens {
 public:
  explicit SequenceTokens(int levels);

  // level -1: a raw token. Throws core::InternalError for a level the model lacks, and for a gist
  // of level l >= 1 that is not directly behind one of level l - 1. Only raw tokens have a role but
  // plain.
  void append(int level, TokenRole role = TokenRole::plain);
  // The next raw token is the first of a document behind links or a system prompt: no gist stands
  // for what is before it.
  void begin_document() { document_ = before(0, size()); }

  int levels() const { return static_cast<int>(chunks_.size()); }
  int sections() const { return levels() + 1; }
  std::int64_t size() const { return static_cast<std::int64_t>(level_.size()); }
  int level(std::int64_t t) const { return level_[static_cast<std::size_t>(t)]; }
  TokenRole role(std::int64_t t) const { return role_[static_cast<std::size_t>(t)]; }
  // Anchors and links as stretches of raw indices, in order.
  struct RawSpan {
    std::int32_t begin;
    std::int32_t end;
  };
  const std::vector<RawSpan>& anchors() const { return anchors_; }
  // RoPE position (METHOD.md section 4). A gist with no raw token before it has -1.
  std::int32_t rope(std::int64_t t) const { return before(0, t + 1) - 1; }

  // Tokens of a section at positions < t, 0 <= t <= size(). For a token of that section at t it is
  // the token's index in the section.
  std::int32_t before(int section, std::int64_t t) const {
    return before_[static_cast<std::size_t>(t * sections() + section)];
  }
  // Gists of a level: positions, and the children each covers (gsa/chunk_table.h; for level 0 raw
  // indices, so chunk j is the raw tokens [first_child[j], first_child[j + 1])).
  const ChunkLevel& gists(int level) const { return chunks_[static_cast<std::size_t>(level)]; }
  // The raw tokens gist j of a level stands for, as raw indices: of a document's first chunk
  // without what is before the document.
  RawSpan covered_raw(int level, std::int32_t j) const;
  // Gists of `level` covered by the first `count` gists of `higher`, higher >= level; level -1: raw
  // tokens.
  std::int32_t covered(int level, int higher, std::int32_t count) const;

 private:
  std::vector<std::int8_t> level_;
  std::vector<TokenRole> role_;
  std::vector<RawSpan> anchors_;
  std::vector<std::int32_t> before_;  // (size + 1, sections)
  std::vector<ChunkLevel> chunks_;
  std::vector<std::int32_t> chunk_begin_;  // (level-0 gists) as DocumentChunks::chunk_begin
  std::int32_t document_ = 0;              // raw index of the first token of the last document
};

}  // namespace unfold::gsa
