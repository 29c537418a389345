// Links (METHOD.md section 8; after KVLink): documents whose keys are computed once and reused.
//
//     system | doc 1 with gists | links | doc 2 with gists | links | ... | suffix
//
// A document is isolated: its tokens see, by section 5, nothing but the document. The system prompt
// is causal. A link sees the gists of all documents so far, the links so far, the system prompt and
// the sinks of documents (their first S tokens); no other raw token of a document. The suffix,
// everything behind the last link, sees by section 5 (its previous chunks are those of the last
// document), and all links, the system prompt and the sinks of all documents besides.
//
// This is the rule pair by pair, in integers a token. The engine (models/engine.h) computes
// documents apart and sees the rest through gsa/sequence_tokens.h; tests prove both equal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/gist_config.h"

namespace unfold::gsa {

struct LinkedLayout {
  enum class Part : std::uint8_t { system, document, link, suffix };

  int levels = 0;
  std::vector<Part> part;
  std::vector<std::int32_t> document;  // of a document or its links; -1 else
  std::vector<std::int8_t> level;      // -1 raw and links
  std::vector<std::int32_t> rope;      // one sequence: raw tokens and links count, gists do not
  std::vector<std::uint8_t> sink;      // among the first S tokens of its document

  std::int64_t size() const { return static_cast<std::int64_t>(part.size()); }
};

// documents: levels of the tokens of each. links: link tokens behind each document.
// Throws core::InternalError for a document that does not begin with a raw token or has levels that
// the model lacks.
LinkedLayout make_linked_layout(std::int64_t system,
                                std::span<const std::vector<std::int8_t>> documents,
                                std::int64_t links, std::int64_t suffix, const GistConfig& gist);

// Whether query q sees key k.
bool linked_visible(const LinkedLayout& layout, const GistConfig& gist, std::int64_t q,
                    std::int64_t k);

}  // namespace unfold::gsa
