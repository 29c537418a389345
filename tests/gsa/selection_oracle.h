// Selection by the definition (METHOD.md section 7), for tests: positions in a row, plain loops,
// every score in double. It knows nothing of chunk tables.
#pragma once

#include <cstdint>
#include <vector>

#include "gsa/attention_shape.h"
#include "gsa/gist_config.h"
#include "gsa/layout.h"
#include "gsa/selection.h"

namespace unfold::gsa {

// One query that selects.
struct OracleQuery {
  std::int64_t row;
  std::int32_t position;
  // [key/value head][level]: positions of the picked gists, ascending.
  std::vector<std::vector<std::vector<std::int32_t>>> picks;
  // [key/value head][position]: the keys it sees.
  std::vector<std::vector<bool>> sees;
  std::int64_t scores = 0;       // gists scored, over all heads
  std::int64_t most_scores = 0;  // heads * (top-level gists + picks a level * children a gist)
};

// All of them in row order. select_from: a position for every document, below 0 for its suffix;
// empty for the suffix of all.
std::vector<OracleQuery> selection_oracle(const std::vector<double>& qkv,
                                          const AttentionShape& shape, const Layout& layout,
                                          const GistConfig& gist,
                                          const std::vector<std::int32_t>& select_from,
                                          const SelectionConfig& config);

}  // namespace unfold::gsa
