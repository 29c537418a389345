// Random layouts for tests: everything insertion can produce and more, from a seed.
#pragma once

#include <cstdint>

#include "gsa/gist_config.h"
#include "gsa/layout.h"

namespace unfold::gsa {

struct RandomLayoutOptions {
  std::int64_t rows = 2;
  std::int64_t length = 64;
  int levels = 1;                 // 0: no gists at all
  std::int64_t max_chunk = 5;     // raw tokens a chunk: 1 .. max_chunk, each chunk its own
  std::int64_t max_group = 3;     // lower gists a higher one: 1 .. max_group, each its own
  std::int64_t max_chunks = 10;   // chunks a segment
  std::int64_t max_segments = 3;  // gisted segments a document, some with raw tokens between
  std::int64_t max_suffix = 8;    // raw tokens behind the last segment
  bool padding = true;            // some rows end in padding; false: never
  bool documents = true;          // several documents a row; false: one document a row
  bool links = false;             // most documents are prompts with links (gsa/links.h)
  std::int64_t max_sinks = 4;     // S of random_gist_config
  std::int64_t max_previous = 3;  // P of random_gist_config
};

// Documents of random segments, until the row is full. Some documents have no gist. A document that
// does not fit is cut, so that its last segment may be left open; a prompt with links that does not
// fit becomes raw tokens without links.
Layout random_layout(std::uint64_t seed, const RandomLayoutOptions& options);

// A config with options.levels levels, random S and P. Its chunk sizes are nominal (visibility does
// not depend on them).
GistConfig random_gist_config(std::uint64_t seed, const RandomLayoutOptions& options);

}  // namespace unfold::gsa
