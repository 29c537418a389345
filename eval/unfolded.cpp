#include "eval/unfolded.h"

#include <algorithm>
#include <map>

#include "data/text.h"
#include "eval/unfold_trace.h"
#include "models/engine.h"

namespace unfold::eval {

std::vector<UnfoldedChunk> most_unfolded(LoadedRun& run, const Method& method,
                                         const gsa::GistConfig& gist, const models::Prompt& prompt,
                                         std::span<const data::TokenId> answer) {
  if (!method.gists || method.visibility) return {};
  std::map<std::int32_t, std::int64_t> picked;
  std::int64_t queries = 0;
  const auto from = static_cast<std::int64_t>(prompt.tokens.size()) - 1;
  models::EngineOptions options;
  options.observer = [&](const models::SelectedQuery& query, const gsa::SelectionTrace& selection,
                         const std::vector<gsa::CacheSpan>&) {
    if (query.position < from || selection.picks.empty()) return;
    ++queries;
    for (const std::int32_t chunk : selection.picks[0]) ++picked[chunk];
  };
  models::Engine engine(run.decoder, gist, method.policy, options);
  const std::int64_t sequence = engine.prefill(std::span(&prompt, 1)).first;
  // The last token of an answer chose no other.
  answer = answer.first(std::min(answer.size(), kTracedTokens));
  if (answer.size() > 1) {
    const models::Engine::Continuation rest{sequence, {answer.begin(), answer.end() - 1}};
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
