#include "gsa/cuda/device_spans.cuh"

#include <algorithm>
#include <limits>

#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {
namespace {

void check_count(std::int64_t count) {
  core::check(count <= std::numeric_limits<std::int32_t>::max(), "unfolding",
              "{} key spans: too many for one batch", count);
}

DeviceSpans make_device_spans(const KeySpans& spans, core::Device device) {
  check_count(static_cast<std::int64_t>(spans.spans.size()));
  return {upload(std::vector<std::int32_t>(spans.offsets.begin(), spans.offsets.end()), device),
          upload(spans.spans, device)};
}

// Calls visit(tile, bits) for every tile of keys that the spans of a pair touch, in order.
template <typename Visit>
void for_tiles(std::span<const KeySpan> spans, Visit&& visit) {
  std::int32_t tile = -1;
  unsigned bits = 0;
  for (const KeySpan& span : spans) {
    for (std::int32_t at = span.begin; at < span.end;) {
      const std::int32_t here = at / kSpanTile;
      const std::int32_t end = std::min(span.end, (here + 1) * kSpanTile);
      if (here != tile) {
        if (tile >= 0) visit(tile, bits);
        tile = here;
        bits = 0;
      }
      const unsigned ones = (1u << (end - at)) - 1;
      bits |= ones << (at - here * kSpanTile);
      at = end;
    }
  }
  if (tile >= 0) visit(tile, bits);
}

DeviceVisits make_device_visits(const KeySpans& spans, const ChunkTable& table, std::int64_t rows,
                                std::int64_t length, std::int64_t kv_heads, core::Device device) {
  const std::int64_t tiles = blocks_of(length, kSpanTile);
  check_count(rows * tiles * kv_heads);
  std::vector<std::int32_t> offsets(static_cast<std::size_t>(rows * tiles * kv_heads) + 1, 0);
  const auto for_all = [&](auto&& visit) {
    for (std::size_t q = 0; q < table.suffix.size(); ++q) {
      const std::int64_t row = table.document_of(table.suffix[q]).row;
      for (std::int64_t h = 0; h < kv_heads; ++h) {
        for_tiles(spans.of(static_cast<std::int64_t>(q) * kv_heads + h),
                  [&](std::int32_t tile, unsigned bits) {
                    visit(static_cast<std::size_t>((row * tiles + tile) * kv_heads + h),
                          SpanVisit{static_cast<int>(q), static_cast<int>(bits)});
                  });
      }
    }
  };
  std::int64_t total = 0;
  for_all([&](std::size_t list, SpanVisit) {
    ++offsets[list + 1];
    ++total;
  });
  check_count(total);
  for (std::size_t i = 1; i < offsets.size(); ++i) offsets[i] += offsets[i - 1];
  std::vector<SpanVisit> visits(static_cast<std::size_t>(total));
  std::vector<std::int32_t> next(offsets.begin(), offsets.end() - 1);
  for_all([&](std::size_t list, SpanVisit visit) {
    visits[static_cast<std::size_t>(next[list]++)] = visit;
  });
  return {static_cast<int>(tiles), upload(offsets, device), upload(visits, device)};
}

}  // namespace

std::shared_ptr<const DeviceSpans> device_spans(const KeySpans& spans, core::Device device) {
  return spans.device_copy.get<DeviceSpans>(device,
                                            [&] { return make_device_spans(spans, device); });
}

std::shared_ptr<const DeviceVisits> device_visits(const KeySpans& spans, const ChunkTable& table,
                                                  std::int64_t rows, std::int64_t length,
                                                  std::int64_t kv_heads, core::Device device) {
  return spans.device_visits.get<DeviceVisits>(
      device, [&] { return make_device_visits(spans, table, rows, length, kv_heads, device); });
}

}  // namespace unfold::gsa::kernels::cuda
