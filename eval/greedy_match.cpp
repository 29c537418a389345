#include "eval/greedy_match.h"

#include <algorithm>

#include "core/error.h"
#include "models/engine.h"

namespace unfold::eval {
namespace {

std::vector<data::TokenId> likeliest(const core::Tensor& logits) {
  const std::vector<float> values = logits.to_vector<float>();
  const auto classes = static_cast<std::ptrdiff_t>(logits.dim(1));
  std::vector<data::TokenId> best;
  for (auto row = values.begin(); row != values.end(); row += classes) {
    best.push_back(static_cast<data::TokenId>(std::max_element(row, row + classes) - row));
  }
  return best;
}

}  // namespace

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
  const std::vector<data::TokenId> first = likeliest(started.logits);
  std::vector<models::Engine::Continuation> answers;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    answers.push_back({started.first + static_cast<std::int64_t>(i), prompts[i].answer});
  }
  const std::vector<data::TokenId> later = likeliest(engine.extend(answers));

  GreedyMatch result;
  result.keys_read = engine.decode_reads().keys;
  result.queries = engine.decode_reads().units;
  auto behind = later.begin();  // the token behind answer token j
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<data::TokenId>& answer = prompts[i].answer;
    const bool matches =
        first[i] == answer[0] && std::equal(answer.begin() + 1, answer.end(), behind);
    behind += static_cast<std::ptrdiff_t>(answer.size());
    result.matches.push_back(matches ? 1 : 0);
    result.next.push_back(*(behind - 1));
  }
  return result;
}

}  // namespace unfold::eval
