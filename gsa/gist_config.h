// How gist tokens are placed and seen (METHOD.md sections 2-5). Shared by data, models, train,
// eval.
#pragma once

#include <cstdint>
#include <vector>

namespace unfold::gsa {

enum class InsertionRule { word, count };

// Which keys a query may see.
//   gist    section 5: own chunk, previous chunks, sinks, gists (hierarchical when levels > 1)
//   full    plain full attention: every raw token sees all raw tokens before it in its document;
//           gists see the raw tokens before them and themselves, and are seen by nobody else
//   causal  every token, gist or raw, sees everything before it in its document
enum class Visibility { gist, full, causal };

struct GistConfig {
  // chunks[0] = c raw tokens per chunk; chunks[l] = m_l level-(l-1) gists per level-l gist.
  // Empty: no gists at all (a plain decoder).
  std::vector<std::int64_t> chunks = {8};
  std::int64_t sinks = 3;            // S: first real tokens of a document, always visible
  std::int64_t previous_chunks = 1;  // P: previous chunks seen raw
  InsertionRule rule = InsertionRule::word;
  // Link tokens behind a document (METHOD.md section 8): rows of the vocabulary behind the gists'.
  std::int64_t links = 0;

  int levels() const { return static_cast<int>(chunks.size()); }
  // Rows of the vocabulary behind the raw tokens: one a gist level, then the links.
  int rows() const { return levels() + static_cast<int>(links); }
  // rho = c * m_1 * ... * m_top; 1 without gists.
  std::int64_t ratio() const {
    std::int64_t product = 1;
    for (const std::int64_t chunk : chunks) product *= chunk;
    return product;
  }
  bool operator==(const GistConfig&) const = default;
};

inline constexpr int kMaxLevels = 8;
inline constexpr std::int64_t kMaxLinks = 1024;

// Throws core::UserError when a value is out of range: more than kMaxLevels levels, a chunk below
// 1, a ratio of 2^31 or more, negative sinks or previous_chunks, links below 0 or above kMaxLinks.
void validate(const GistConfig& config);

}  // namespace unfold::gsa
