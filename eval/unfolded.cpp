#include "eval/unfolded.h"

#include <algorithm>
#include <map>

#include "data/text.h"
#include "eval/unfold_trace.h"
#include "models/engine.h"

namespace unfold::eval {
namespace {

// Cuts the last token off and puts it into `last`, so that on a GPU the rest is not asked for query
// by query. Leaves a prompt whole whose last part would be empty then.
models::Prompt without_last(const models::Prompt& prompt, std::vector<data::TokenId>& last) {
  models::Prompt result = prompt;
  const auto rest = static_cast<std::int64_t>(prompt.tokens.size()) - 1;
  if (!prompt.part.empty() || models::suffix_begin(prompt) >= rest) return result;
  result.suffix = models::suffix_begin(prompt);
  result.tokens.pop_back();
  result.level.pop_back();
  last = {prompt.tokens.back()};
  return result;
}

}  // namespace

std::vector<UnfoldedChunk> most_unfolded(LoadedRun& run, const Method& method,
                                         const gsa::GistConfig& gist, const models::Prompt& prompt,
                                         std::span<const data::TokenId> answer) {
  if (!method.gists || method.visibility) return {};
  std::map<std::int32_t, std::int64_t> picked;
  std::int64_t queries = 0;
  models::EngineOptions options;
  options.observe_from = static_cast<std::int64_t>(prompt.tokens.size()) - 1;
  options.observer = [&](const models::SelectedQuery&, const gsa::SelectionTrace& selection,
                         const std::vector<gsa::CacheSpan>&) {
    if (selection.picks.empty()) return;
    ++queries;
    for (const std::int32_t chunk : selection.picks[0]) ++picked[chunk];
  };
  models::Engine engine(run.decoder, gist, method.policy, options);
  // What chose the answer's tokens: the last of the prompt, and each of its own but the last.
  std::vector<data::TokenId> choosing;
  const models::Prompt before = without_last(prompt, choosing);
  answer = answer.first(std::min(answer.size(), kTracedTokens));
  if (!answer.empty()) choosing.insert(choosing.end(), answer.begin(), answer.end() - 1);
  const std::int64_t sequence = engine.prefill(std::span(&before, 1)).first;
  if (!choosing.empty()) {
    const models::Engine::Continuation rest{sequence, std::move(choosing)};
    engine.extend(std::span(&rest, 1));
  }
  const std::vector<std::string> chunks = chunk_texts(prompt, *run.tokenizer);
  std::vector<std::pair<std::int32_t, std::int64_t>> order(picked.begin(), picked.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<UnfoldedChunk> result;
  for (const auto& [chunk, times] : order) {
    if (result.size() == kMostUnfolded || static_cast<std::size_t>(chunk) >= chunks.size()) break;
    result.push_back({data::replace_invalid_utf8(chunks[static_cast<std::size_t>(chunk)]),
                      static_cast<double>(times) / static_cast<double>(queries)});
  }
  return result;
}

}  // namespace unfold::eval
