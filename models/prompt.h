// A prompt as an engine takes it.
#pragma once

#include <cstdint>
#include <vector>

#include "gsa/layout.h"

namespace unfold::models {

// Raw tokens and gists in place: one document, no padding.
struct Prompt {
  std::vector<std::int32_t> tokens;  // gist of level l: vocab_size + l
  std::vector<std::int8_t> level;    // -1 raw
  // First token behind the compressible context. -1: behind the last gist; without gists behind
  // the whole prompt.
  std::int64_t suffix = -1;
  // Empty, or what each token is in a prompt with links (gsa/links.h): system prompt and documents
  // with link tokens behind each. Then `suffix` is not looked at: the parts say what comes behind.
  std::vector<gsa::Part> part = {};  // link i behind a document: token vocab_size + levels + i
};

// Throws core::InternalError for an empty prompt, one that begins with a gist, tokens that do not
// fit their levels, ids beyond the vocabulary; parts out of order, or links that are not the
// model's.
void check_tokens(const Prompt& prompt, std::int64_t vocab_size, int gist_levels,
                  std::int64_t links = 0);

// prompt.suffix, or what -1 stands for.
std::int64_t suffix_begin(const Prompt& prompt);

}  // namespace unfold::models
