// Key spans: what every suffix query attends to once it has selected, as a few intervals of
// positions. The one list that kernels, reports and accounting read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/chunk_table.h"
#include "gsa/device_copy.h"
#include "gsa/reach.h"
#include "gsa/selection.h"

namespace unfold::gsa {

// The spans of all (suffix query, key/value head) pairs: pair = query * kv_heads + kv_head.
struct KeySpans {
  std::vector<std::int64_t> offsets;  // (pairs + 1) into spans
  std::vector<KeySpan> spans;         // ascending within a pair, with gaps between
  DeviceCopy device_copy;             // of all this, and the same by key
  DeviceCopy device_visits;           // (gsa/cuda/device_spans.cuh)

  std::span<const KeySpan> of(std::int64_t pair) const {
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(pair)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(pair) + 1]);
    return std::span(spans).subspan(begin, end - begin);
  }
  // Keys of all pairs together.
  std::int64_t keys() const;
};

// METHOD.md section 7: the picked gists and the raw tokens of picked chunks (or what `unfold` says
// of the gists); raw tokens seen under section 5, which `reach` gives; every token behind the last
// top-level gist before the query.
KeySpans make_key_spans(const Reach& reach, const ChunkTable& table, Unfold unfold,
                        const Selection& selection);

// The spans of one pair.
std::vector<KeySpan> key_spans_of(const Reach& reach, const ChunkTable& table, Unfold unfold,
                                  const Selection& selection, std::int64_t query,
                                  std::int64_t kv_head);

}  // namespace unfold::gsa
