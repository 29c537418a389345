// Streaming insertion (METHOD.md section 9): which gists come in front of a generated token.
//
// A chunk of generated text is closed when its c tokens are there and one more comes. Under
// InsertionRule::word the gist waits for a token that starts a word, at most c / 2 tokens; then the
// word is split where it stands. (Insertion into known text would split it at c tokens: it looks
// ahead, a stream cannot.) Behind every m-th lower gist comes a higher one. The tokens behind the
// last gist of the prompt, which insertion keeps raw, belong to the first chunk and are not
// counted.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "gsa/gist_config.h"

namespace unfold::models {

class StreamingInsertion {
 public:
  explicit StreamingInsertion(const gsa::GistConfig& gist) : gist_(gist) {}

  // Levels of the gists that come in front of the next raw token, lowest first. The token counts as
  // fed from then on.
  std::vector<std::int8_t> before_token(bool starts_word);

 private:
  gsa::GistConfig gist_;
  std::int64_t open_ = 0;                                // raw tokens of the open chunk
  std::array<std::int64_t, gsa::kMaxLevels> pending_{};  // gists not covered by a higher one
};

}  // namespace unfold::models
