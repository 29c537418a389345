#include "models/streaming_insertion.h"

namespace unfold::models {

std::vector<std::int8_t> StreamingInsertion::before_token(bool starts_word) {
  std::vector<std::int8_t> levels;
  if (gist_.levels() > 0) {
    const std::int64_t chunk = gist_.chunks[0];
    const std::int64_t wait = gist_.rule == gsa::InsertionRule::word ? chunk / 2 : 0;
    if (open_ >= chunk && (starts_word || open_ >= chunk + wait)) {
      open_ = 0;
      for (int l = 0; l < gist_.levels(); ++l) {
        levels.push_back(static_cast<std::int8_t>(l));
        if (l + 1 == gist_.levels()) break;
        const auto slot = static_cast<std::size_t>(l);
        if (++pending_[slot] < gist_.chunks[slot + 1]) break;
        pending_[slot] = 0;
      }
    }
  }
  ++open_;
  return levels;
}

}  // namespace unfold::models
