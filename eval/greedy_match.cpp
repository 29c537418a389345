#include "eval/greedy_match.h"

#include <algorithm>

#include "core/error.h"
#include "models/engine.h"
#include "models/greedy_batch.h"

namespace unfold::eval {
GreedyMatch match_greedy(models::Decoder& decoder, const Method& method,
                         const gsa::GistConfig& gist, std::span<const AnsweredPrompt> prompts) {
  std::vector<models::Prompt> asked;
  for (const AnsweredPrompt& one : prompts) {
    core::check(!one.prompt.tokens.empty() && !one.answer.empty(), "greedy_match",
                "{} prompt tokens, {} answer tokens", one.prompt.tokens.size(), one.answer.size());
    asked.push_back(one.prompt);
  }
  models::Engine engine(decoder, gist, method.policy);
  const models::Engine::Started started = engine.prefill(asked);
  const std::vector<data::TokenId> first = models::likeliest(started.logits);
  std::vector<models::Engine::Continuation> answers;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    answers.push_back({started.first + static_cast<std::int64_t>(i), prompts[i].answer});
  }
  const std::vector<data::TokenId> later = models::likeliest(engine.extend(answers));

  GreedyMatch result;
  result.keys_read = engine.decode_reads().keys;
  result.queries = engine.decode_reads().units;
  auto behind = later.begin();  // the token behind answer token j
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<data::TokenId>& answer = prompts[i].answer;
    const bool matches =
        first[i] == answer[0] && std::equal(answer.begin() + 1, answer.end(), behind);
    std::vector<data::TokenId> greedy = {first[i]};
    for (std::size_t t = 0; t < answer.size() && greedy.back() == answer[t]; ++t) {
      greedy.push_back(*(behind + static_cast<std::ptrdiff_t>(t)));
    }
    result.greedy.push_back(std::move(greedy));
    result.reads.push_back(engine.decode_reads(answers[i].sequence));
    behind += static_cast<std::ptrdiff_t>(answer.size());
    result.matches.push_back(matches ? 1 : 0);
    result.next.push_back(*(behind - 1));
  }
  return result;
}

}  // namespace unfold::eval
