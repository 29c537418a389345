// Key spans on a device (gsa/key_spans.h), and the same turned round for the gradients of keys:
// many queries see a key, and one block must own it. So for every 16 keys of a row and key/value
// head there is the list of queries that see some of them, ascending, each with 16 bits that say
// which. The list is made by the first backward pass and lives as long as the spans.
#pragma once

#include <memory>

#include "core/tensor.h"
#include "gsa/chunk_table.h"
#include "gsa/key_spans.h"

namespace unfold::gsa::kernels::cuda {

// Keys a list is made for.
inline constexpr int kSpanTile = 16;

struct DeviceSpans {
  core::Tensor offsets;  // (pairs + 1) into spans
  core::Tensor spans;    // (spans, 2)
};

struct SpanVisit {
  int query;  // of ChunkTable::suffix
  int seen;   // bit i: key 16 * tile + i
};

struct DeviceVisits {
  int tiles = 0;         // a row
  core::Tensor offsets;  // (rows * tiles * kv_heads + 1) into visits; the head runs fastest
  core::Tensor visits;   // (visits, 2): SpanVisit
};

std::shared_ptr<const DeviceSpans> device_spans(const KeySpans& spans, core::Device device);
// rows of `length` positions.
std::shared_ptr<const DeviceVisits> device_visits(const KeySpans& spans, const ChunkTable& table,
                                                  std::int64_t rows, std::int64_t length,
                                                  std::int64_t kv_heads, core::Device device);

}  // namespace unfold::gsa::kernels::cuda
