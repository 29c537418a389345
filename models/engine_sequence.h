// What an engine keeps of a sequence. Private to the engine's own files.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/engine.h"

namespace unfold::models {

// A sequence and its caches.
struct Engine::Sequence {
  Sequence(int levels, const gsa::GistConfig& gist) : tokens(levels), insertion(gist) {}

  std::int64_t number = 0;
  gsa::SequenceTokens tokens;
  gsa::SequenceFacts facts;
  StreamingInsertion insertion;
  std::vector<gsa::KeyStore> stores;                                 // (layers)
  std::vector<std::vector<std::unique_ptr<gsa::HeadPolicy>>> heads;  // (layers, kv_heads)
  gsa::DeviceChildren children;                                      // for plans (gsa/step_plan.h)
  gsa::ReadCount decode;  // by queries behind the prompt, without what a plan has still to tell
};

// New tokens of one sequence, gists among them.
struct Engine::Feed {
  Sequence* sequence;
  std::int64_t first;  // position of the first
  std::vector<std::int32_t> tokens;
};

}  // namespace unfold::models
