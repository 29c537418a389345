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

models::Prompt PromptBuilder::build(const Method& method, std::span<const data::TokenId> context,
                                    std::span<const data::TokenId> suffix) const {
  models::Prompt prompt;
  const auto add = [&](data::TokenId token, std::int8_t level) {
    prompt.tokens.push_back(token);
    prompt.level.push_back(level);
  };
  if (method.gists && gist_.levels() > 0) {
    std::vector<std::uint8_t> starts;
    if (!starts_word_.empty()) {
      for (const data::TokenId token : context) {
        starts.push_back(starts_word_[static_cast<std::size_t>(token)]);
      }
    }
    const auto count = static_cast<std::int64_t>(context.size());
    for (const gsa::Element& element : gsa::insert_gists(count, starts, gist_)) {
      const bool raw = element.level < 0;
      add(raw ? context[static_cast<std::size_t>(element.raw)] : first_gist_ + element.level,
          element.level);
    }
  } else {
    for (const data::TokenId token : context) add(token, -1);
  }
  prompt.suffix = static_cast<std::int64_t>(prompt.tokens.size());
  for (const data::TokenId token : suffix) add(token, -1);
  return prompt;
}

}  // namespace unfold::eval
