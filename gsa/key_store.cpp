#include "gsa/key_store.h"

#include <algorithm>

#include "core/kernels/elementwise.h"

namespace unfold::gsa {

using core::Tensor;

namespace {

constexpr std::int64_t kMostRoom = 64;  // keys behind a prompt

}  // namespace

void normalise(std::vector<CacheSpan>& spans) {
  std::erase_if(spans, [](const CacheSpan& span) { return span.begin >= span.end; });
  std::sort(spans.begin(), spans.end(), [](const CacheSpan& a, const CacheSpan& b) {
    return a.section != b.section ? a.section < b.section : a.begin < b.begin;
  });
  std::size_t kept = 0;
  for (const CacheSpan& span : spans) {
    if (kept > 0 && spans[kept - 1].section == span.section && spans[kept - 1].end >= span.begin) {
      spans[kept - 1].end = std::max(spans[kept - 1].end, span.end);
    } else {
      spans[kept++] = span;
    }
  }
  spans.resize(kept);
}

std::int64_t count_keys(const std::vector<CacheSpan>& spans) {
  std::int64_t count = 0;
  for (const CacheSpan& span : spans) count += span.end - span.begin;
  return count;
}

KeyStore::KeyStore(const AttentionShape& shape, int levels, core::DType dtype, core::Device device)
    : kv_heads_(shape.kv_heads),
      width_(shape.width),
      dtype_(dtype),
      device_(device),
      sections_(static_cast<std::size_t>(levels) + 1) {}

std::int64_t KeyStore::extend(int section, std::int64_t count) {
  core::check(section >= 0 && section < sections() && count >= 0, "key_store",
              "{} keys for section {} of {}", count, section, sections());
  Section& own = sections_[static_cast<std::size_t>(section)];
  const std::int64_t first = own.size;
  const std::int64_t capacity = own.keys.defined() ? own.keys.dim(1) : 0;
  if (first + count > capacity) {
    // A prompt comes at once, and a short answer fits behind it; a longer one grows by halves.
    const std::int64_t room = std::min(count / 8, kMostRoom);
    const std::int64_t wanted = std::max(first + count + room, capacity + capacity / 2);
    for (Tensor* tensor : {&own.keys, &own.values}) {
      const Tensor larger = Tensor::empty({kv_heads_, wanted, width_}, dtype_, device_);
      if (first > 0) {
        core::kernels::copy(tensor->slice(1, 0, first), larger.slice(1, 0, first));
      }
      *tensor = larger;
    }
  }
  own.size += count;
  return first;
}

void KeyStore::move_to(core::Device device) {
  if (device == device_) return;
  for (Section& section : sections_) {
    if (!section.keys.defined()) continue;
    section.keys = section.keys.to(device);
    section.values = section.values.to(device);
  }
  device_ = device;
}

std::size_t KeyStore::bytes() const {
  std::size_t total = 0;
  for (const Section& section : sections_) {
    if (section.keys.defined()) total += section.keys.bytes() + section.values.bytes();
  }
  return total;
}

}  // namespace unfold::gsa
