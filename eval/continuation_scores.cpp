#include "eval/continuation_scores.h"

#include <algorithm>

#include "core/error.h"
#include "core/kernels/nn.h"
#include "core/meta.h"
#include "models/engine.h"
#include "models/greedy_batch.h"

namespace unfold::eval {
namespace {

using core::Tensor;

// Rows of logits at once, so that memory stays bounded.
constexpr std::int64_t kLogitRows = 512;

// Of rows of logits: the loss of their targets, and their likeliest tokens.
struct RowResults {
  std::vector<float> loss;
  std::vector<data::TokenId> likeliest;
};

RowResults score_logits(const Tensor& logits, const std::vector<std::int32_t>& targets) {
  const auto rows = static_cast<std::int64_t>(targets.size());
  const Tensor losses =
      Tensor::empty({rows}, core::accumulator_of(logits.dtype()), logits.device());
  core::kernels::cross_entropy(logits, Tensor::from(targets, {rows}, logits.device()), false,
                               losses);
  return {losses.to_vector<float>(), models::likeliest(logits)};
}

// Takes the next token of an answer.
void take(const RowResults& rows, std::size_t row, const std::vector<data::TokenId>& answer,
          ContinuationScores& score) {
  const std::size_t t = score.loss.size();
  const bool agreed = score.greedy.size() == t &&
                      std::equal(score.greedy.begin(), score.greedy.end(), answer.begin());
  score.loss.push_back(rows.loss[row]);
  if (agreed) score.greedy.push_back(rows.likeliest[row]);
}

}  // namespace

std::vector<ContinuationScores> score_continuations(models::Decoder& decoder, const Method& method,
                                                    const gsa::GistConfig& gist,
                                                    std::span<const AnsweredPrompt> prompts) {
  std::vector<models::Prompt> asked;
  std::vector<std::int32_t> firsts;
  std::size_t longest = 0;
  for (const AnsweredPrompt& one : prompts) {
    core::check(!one.prompt.tokens.empty() && !one.answer.empty(), "score_continuations",
                "{} prompt tokens, {} answer tokens", one.prompt.tokens.size(), one.answer.size());
    asked.push_back(one.prompt);
    firsts.push_back(one.answer.front());
    longest = std::max(longest, one.answer.size());
  }
  std::vector<ContinuationScores> scores(prompts.size());
  models::Engine engine(decoder, gist, method.policy);
  const models::Engine::Started started = engine.prefill(asked);
  const RowResults first = score_logits(started.logits, firsts);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    take(first, i, prompts[i].answer, scores[i]);
  }
  // Some tokens of every answer at a time. Behind token j stand the logits of token j + 1; the last
  // one is fed too, so that every token is a query that reads.
  const std::size_t width = std::max<std::size_t>(
      1, static_cast<std::size_t>(kLogitRows) / std::max<std::size_t>(1, prompts.size()));
  for (std::size_t begin = 0; begin < longest; begin += width) {
    std::vector<models::Engine::Continuation> feeds;
    std::vector<std::int32_t> targets;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const std::vector<data::TokenId>& answer = prompts[i].answer;
      const std::size_t end = std::min(answer.size(), begin + width);
      if (begin >= end) continue;
      models::Engine::Continuation feed{started.first + static_cast<std::int64_t>(i), {}};
      for (std::size_t j = begin; j < end; ++j) {
        feed.tokens.push_back(answer[j]);
        targets.push_back(j + 1 < answer.size() ? answer[j + 1] : -1);
        owners.push_back(i);
      }
      feeds.push_back(std::move(feed));
    }
    const RowResults rows = score_logits(engine.extend(feeds), targets);
    for (std::size_t row = 0; row < targets.size(); ++row) {
      const std::size_t i = owners[row];
      if (targets[row] >= 0) take(rows, row, prompts[i].answer, scores[i]);
    }
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const gsa::ReadCount& reads = engine.decode_reads(started.first + static_cast<std::int64_t>(i));
    scores[i].keys_read = reads.keys;
    scores[i].queries = reads.units;
  }
  return scores;
}

}  // namespace unfold::eval
