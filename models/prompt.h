// A prompt as an engine takes it.
#pragma once

#include <cstdint>
#include <vector>

namespace unfold::models {

// Raw tokens and gists in place: one document, no padding.
struct Prompt {
  std::vector<std::int32_t> tokens;  // gist of level l: vocab_size + l
  std::vector<std::int8_t> level;    // -1 raw
  // First token behind the compressible context. -1: behind the last gist; without gists behind
  // the whole prompt.
  std::int64_t suffix = -1;
};

// prompt.suffix, or what -1 stands for.
std::int64_t suffix_begin(const Prompt& prompt);

}  // namespace unfold::models
