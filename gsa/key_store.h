// The cached keys and values of one layer of one sequence.
//
// Gist keys lie contiguously, one section a level, so that scoring the gists reads one stretch of
// memory. Raw keys lie in text order, so that a chunk is one page: the raw tokens between two
// gists, and an open page behind the last one. Which raw keys a page has is in
// gsa/sequence_tokens.h.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "gsa/attention_shape.h"

namespace unfold::gsa {

// Keys [begin, end) of a section.
struct CacheSpan {
  std::int32_t section = 0;  // 0 raw, 1 + l gists of level l
  std::int32_t begin = 0;
  std::int32_t end = 0;
  bool operator==(const CacheSpan&) const = default;
};

// Drops empty spans, sorts by section and index, and joins those that overlap or touch.
void normalise(std::vector<CacheSpan>& spans);
// Keys of normalised spans.
std::int64_t count_keys(const std::vector<CacheSpan>& spans);

class KeyStore {
 public:
  KeyStore(const AttentionShape& shape, int levels, core::DType dtype, core::Device device);

  // Makes room for `count` more keys of a section and returns the index of the first; the caller
  // writes them. Earlier keys keep their values, not their place in memory.
  std::int64_t extend(int section, std::int64_t count);
  // Keys and values go to that device, unless they are there; later ones are kept there too.
  void move_to(core::Device device);

  int sections() const { return static_cast<int>(sections_.size()); }
  std::int64_t size(int section) const { return at(section).size; }
  // (kv_heads, capacity, width); undefined while the section is empty.
  const core::Tensor& keys(int section) const { return at(section).keys; }
  const core::Tensor& values(int section) const { return at(section).values; }
  std::size_t bytes() const;

 private:
  struct Section {
    std::int64_t size = 0;
    core::Tensor keys, values;
  };
  const Section& at(int section) const { return sections_[static_cast<std::size_t>(section)]; }

  std::int64_t kv_heads_, width_;
  core::DType dtype_;
  core::Device device_;
  std::vector<Section> sections_;
};

}  // namespace unfold::gsa
