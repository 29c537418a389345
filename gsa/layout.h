// Layout: what every token of a batch of rows is, in integers. Built once a batch, on the host.
//
// A row holds one or more documents one behind the other, then padding. Documents never see each
// other. Level -1 is a raw token, 0.. a gist of that level (METHOD.md "Notation").
//
// A document may be a prompt with links (METHOD.md section 8), retrieved documents inside: then
// every position has a part, and section 5 holds within the parts (gsa/links.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace unfold::gsa {

// What a position is in a prompt with links. Link tokens are raw tokens: of level -1.
enum class Part : std::uint8_t { none, system, document, link, suffix };

struct Layout {
  std::int64_t rows = 0;
  std::int64_t length = 0;  // positions a row, gists and padding included
  int levels = 0;           // L: gist levels the model has

  std::vector<std::int8_t> level;      // (rows, length) -1 raw, >= 0 gist level
  std::vector<std::int32_t> document;  // (rows, length) index within the row from 0; -1 padding
  std::vector<std::int32_t> rope;      // (rows, length) RoPE position (section 4); 0 for padding
  // (rows, length) Part::none for padding and in documents without links; empty: no links at all.
  std::vector<Part> part;

  std::int64_t size() const { return rows * length; }
};

// One document of a row: positions [begin, end).
struct DocumentSpan {
  std::int32_t begin;
  std::int32_t end;
  bool has_gist;
  bool linked = false;  // a prompt with links
  bool operator==(const DocumentSpan&) const = default;
};

// The documents of a row in order; positions behind the last one are padding.
std::vector<DocumentSpan> document_spans(const Layout& layout, std::int64_t row);

// All RoPE positions are below it: one more than the largest, and at least 1.
std::int64_t position_count(const Layout& layout);

// Builds a layout from levels and documents; computes the RoPE positions:
// rope(t) = index(t) - (gists of any level at indices <= t), counted inside the document. (A gist
// with no raw token before it, which insertion never makes, gets -1.)
// level and document: rows * length entries. The documents of a row are contiguous and numbered
// 0, 1, ...; padding (document -1, level -1) is at the end.
// part: empty, or rows * length entries; those of a document are all none, or a prompt with links:
// system tokens, then documents with links behind each, then the suffix. Any may be missing, but
// not the links behind a document. Only documents hold gists; they begin with a raw token and end
// with a top-level gist, as insertion makes them.
// Throws core::InternalError when sizes disagree, documents or parts are out of order, or a level
// is not one of the model's.
Layout make_layout(std::int64_t rows, std::int64_t length, int levels,
                   std::span<const std::int8_t> level, std::span<const std::int32_t> document,
                   std::span<const Part> part = {});

}  // namespace unfold::gsa
