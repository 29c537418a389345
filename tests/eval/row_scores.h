// Tokens behind a prompt scored as one row under a visibility: the reference for what an engine
// says of them.
#pragma once

#include <vector>

#include "eval/greedy_match.h"
#include "eval/method.h"
#include "models/score.h"

namespace unfold::eval {

// The loss of every token of the answer. method: a mask over rows.
inline std::vector<float> score_as_row(models::Decoder& decoder, const Method& method,
                                       const gsa::GistConfig& gist, const AnsweredPrompt& asked) {
  std::vector<std::int32_t> tokens = asked.prompt.tokens;
  std::vector<std::int8_t> level = asked.prompt.level;
  const std::size_t first = tokens.size() - 1;
  tokens.insert(tokens.end(), asked.answer.begin(), asked.answer.end());
  level.resize(tokens.size(), -1);
  std::vector<std::int32_t> targets(tokens.size(), -1);
  for (std::size_t i = first; i + 1 < tokens.size(); ++i) targets[i] = tokens[i + 1];
  const std::vector<std::int32_t> document(tokens.size(), 0);
  const gsa::Layout layout = gsa::make_layout(1, static_cast<std::int64_t>(tokens.size()),
                                              decoder.gist_levels(), level, document);
  const std::vector<float> loss =
      models::score_rows(decoder, layout, tokens, targets, gist, *method.visibility).loss;
  return {loss.begin() + static_cast<std::ptrdiff_t>(first), loss.end() - 1};
}

}  // namespace unfold::eval
