// Which chunks of a context a model unfolded for an answer, over all layers and heads.
#pragma once

#include <span>
#include <vector>

#include "eval/loaded_run.h"
#include "eval/method.h"
#include "eval/predictions/prediction.h"
#include "models/prompt.h"

namespace unfold::eval {

// At most so many chunks are told, and so many tokens of an answer read: later ones tell little
// more, and on a GPU every one waits for the host.
inline constexpr std::size_t kMostUnfolded = 8;
inline constexpr std::size_t kTracedTokens = 16;

// Reads the answer behind the prompt again and counts, for the queries that chose its first tokens,
// how often each chunk was picked: of all queries, layers and key/value heads that pick. The most
// picked first, ties to the earlier one. Empty for methods that pick no gists.
std::vector<UnfoldedChunk> most_unfolded(LoadedRun& run, const Method& method,
                                         const gsa::GistConfig& gist, const models::Prompt& prompt,
                                         std::span<const data::TokenId> answer);

}  // namespace unfold::eval
