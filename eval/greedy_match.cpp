#include "eval/greedy_match.h"

#include <algorithm>

#include "core/error.h"

namespace unfold::eval {
namespace {

// One row a prompt with its answer, padded to the longest. The position before a token of the
// answer has it as its target; that of the last one asks for whatever comes next.
data::Batch make_rows(std::span<const AnsweredPrompt> prompts, int levels) {
  std::size_t length = 0;
  for (const AnsweredPrompt& one : prompts) {
    core::check(!one.prompt.tokens.empty() && !one.answer.empty(), "greedy_match",
                "{} prompt tokens, {} answer tokens", one.prompt.tokens.size(), one.answer.size());
    length = std::max(length, one.prompt.tokens.size() + one.answer.size());
  }
  constexpr data::TokenId kAnything = 0;
  const std::size_t size = prompts.size() * length;
  data::Batch batch;
  batch.tokens.assign(size, 0);
  batch.targets.assign(size, data::kIgnoredTarget);
  std::vector<std::int8_t> level(size, -1);
  std::vector<std::int32_t> document(size, -1);
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    const auto& [prompt, suffix, answer] = prompts[row];
    const std::size_t begin = row * length;
    const std::size_t behind = begin + prompt.tokens.size();
    std::copy(prompt.tokens.begin(), prompt.tokens.end(),
              batch.tokens.begin() + static_cast<std::ptrdiff_t>(begin));
    std::copy(prompt.level.begin(), prompt.level.end(),
              level.begin() + static_cast<std::ptrdiff_t>(begin));
    for (std::size_t i = 0; i < answer.size(); ++i) {
      batch.tokens[behind + i] = answer[i];
      batch.targets[behind + i - 1] = answer[i];
    }
    batch.targets[behind + answer.size() - 1] = kAnything;
    std::fill_n(document.begin() + static_cast<std::ptrdiff_t>(begin),
                prompt.tokens.size() + answer.size(), 0);
  }
  batch.layout = gsa::make_layout(static_cast<std::int64_t>(prompts.size()),
                                  static_cast<std::int64_t>(length), levels, level, document);
  return batch;
}

}  // namespace

GreedyMatch match_greedy(models::Decoder& decoder, const Method& method,
                         const gsa::GistConfig& gist, std::span<const AnsweredPrompt> prompts) {
  const data::Batch batch = make_rows(prompts, decoder.gist_levels());
  std::vector<std::int64_t> first_query;
  for (const AnsweredPrompt& one : prompts) first_query.push_back(one.suffix);
  const MethodScores scores = score(decoder, method, gist, batch, first_query, true);
  GreedyMatch result;
  result.keys_read = scores.keys_read;
  result.queries = scores.queries;
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    const std::vector<data::TokenId>& answer = prompts[row].answer;
    const auto best =
        scores.best.begin() +
        static_cast<std::ptrdiff_t>(row * static_cast<std::size_t>(batch.layout.length) +
                                    prompts[row].prompt.tokens.size() - 1);
    result.matches.push_back(std::equal(answer.begin(), answer.end(), best) ? 1 : 0);
    result.next.push_back(best[static_cast<std::ptrdiff_t>(answer.size())]);
  }
  return result;
}

}  // namespace unfold::eval
