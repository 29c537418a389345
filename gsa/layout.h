// Layout: what every token of a batch of rows is, in integers. Built once a batch, on the host.
//
// A row holds one or more documents one behind the other, then padding. Documents never see each
// other. Level -1 is a raw token, 0.. a gist of that level (METHOD.md "Notation").
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace unfold::gsa {

struct Layout {
  std::int64_t rows = 0;
  std::int64_t length = 0;  // positions a row, gists and padding included
  int levels = 0;           // L: gist levels the model has

  std::vector<std::int8_t> level;      // (rows, length) -1 raw, >= 0 gist level
  std::vector<std::int32_t> document;  // (rows, length) index within the row from 0; -1 padding
  std::vector<std::int32_t> rope;      // (rows, length) RoPE position (section 4); 0 for padding

  std::int64_t size() const { return rows * length; }
};

// One document of a row: positions [begin, end).
struct DocumentSpan {
  std::int32_t begin;
  std::int32_t end;
  bool has_gist;
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
// Throws core::InternalError when sizes disagree, documents are out of order, or a level is not one
// of the model's.
Layout make_layout(std::int64_t rows, std::int64_t length, int levels,
                   std::span<const std::int8_t> level, std::span<const std::int32_t> document);

}  // namespace unfold::gsa
