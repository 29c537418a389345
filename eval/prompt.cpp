#include "eval/prompt.h"

#include "core/error.h"
#include "gsa/insertion.h"

namespace unfold::eval {

PromptBuilder::PromptBuilder(const LoadedRun& run, const gsa::GistConfig& gist)
    : gist_(gist), first_gist_(static_cast<data::TokenId>(run.decoder.config().vocab_size)) {
  core::check(gist.levels() == run.decoder.gist_levels(), "prompt",
              "gists of {} levels for a model of {}", gist.levels(), run.decoder.gist_levels());
  if (gist.rule == gsa::InsertionRule::word) {
    starts_word_ = data::starts_word_table(*run.tokenizer);
  }
}

models::Prompt PromptBuilder::build(const Method& method,
                                    std::span<const std::span<const data::TokenId>> segments,
                                    std::span<const data::TokenId> suffix) const {
  models::Prompt prompt;
  for (const auto& segment : segments) add_segment(method, segment, prompt);
  prompt.suffix = static_cast<std::int64_t>(prompt.tokens.size());
  prompt.tokens.insert(prompt.tokens.end(), suffix.begin(), suffix.end());
  prompt.level.resize(prompt.tokens.size(), -1);
  return prompt;
}

void PromptBuilder::add_segment(const Method& method, std::span<const data::TokenId> segment,
                                models::Prompt& prompt) const {
  if (!method.gists || gist_.levels() == 0) {
    prompt.tokens.insert(prompt.tokens.end(), segment.begin(), segment.end());
    prompt.level.resize(prompt.tokens.size(), -1);
    return;
  }
  std::vector<std::uint8_t> starts;
  if (!starts_word_.empty()) {
    for (const data::TokenId token : segment) {
      starts.push_back(starts_word_[static_cast<std::size_t>(token)]);
    }
  }
  const auto count = static_cast<std::int64_t>(segment.size());
  for (const gsa::Element& element : gsa::insert_gists(count, starts, gist_)) {
    const bool raw = element.level < 0;
    prompt.tokens.push_back(raw ? segment[static_cast<std::size_t>(element.raw)]
                                : first_gist_ + element.level);
    prompt.level.push_back(element.level);
  }
}

}  // namespace unfold::eval
