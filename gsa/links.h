// Links (METHOD.md section 8; after KVLink): documents whose keys are computed once and reused.
//
//     system | doc 1 with gists | links | doc 2 with gists | links | ... | suffix
//
// A document is isolated: its tokens see, by section 5, nothing but the document. The system prompt
// is causal. A link sees the gists of all documents so far, the links so far, the system prompt and
// the sinks of documents (their first S tokens); no other raw token of a document. The suffix,
// everything behind the last link, sees by section 5 (its previous chunks are those of the last
// document), and all links, the system prompt and the sinks of all documents besides. Links and
// suffix select among the gists before them.
//
// A row holds such a prompt as one of its documents; gsa::Layout::part says what each position is.
// The rule pair by pair is in gsa/visibility.h, the same as intervals in gsa/reach.h, and who
// selects in gsa/chunk_table.h. The engine (models/engine.h) computes documents apart and sees the
// rest through gsa/sequence_tokens.h. Tests prove them all equal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/layout.h"

namespace unfold::gsa {

// Two classes of queries come on top of those of the levels (gsa/reach.h), and kernels have room
// for kMaxLevels of them.
inline constexpr int kMaxLinkedLevels = 6;

// A run of positions of one part: the system prompt, a document, the links behind it, the suffix.
struct PartRun {
  Part part;
  std::int32_t begin;
  std::int32_t end;
  bool operator==(const PartRun&) const = default;
};

// The runs of a prompt with links, in order. Positions are counted from `first`.
std::vector<PartRun> part_runs(std::span<const Part> parts, std::int32_t first = 0);
// Those of a document of a row, in positions of the row; none of one without links.
std::vector<PartRun> part_runs(const Layout& layout, std::int64_t row,
                               const DocumentSpan& document);

// Whether a position of a run is an anchor, which all links and the suffix behind it see: system
// prompt, links, and raw sinks of documents. level: of the position; sinks: S.
bool is_anchor(const PartRun& run, std::int32_t position, std::int8_t level, std::int64_t sinks);

}  // namespace unfold::gsa
