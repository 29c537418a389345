#include "eval/prompt.h"

#include "core/error.h"
#include "gsa/insertion.h"

namespace unfold::eval {

PromptBuilder::PromptBuilder(const LoadedRun& run, const gsa::GistConfig& gist)
    : gist_(gist), first_gist_(static_cast<data::TokenId>(run.decoder.config().vocab_size)) {
  core::check(gist.levels() == run.decoder.gist_levels() && gist.links == run.decoder.links(),
              "prompt", "gists of {} levels and {} links for a model of {} and {}", gist.levels(),
              gist.links, run.decoder.gist_levels(), run.decoder.links());
  if (gist.rule == gsa::InsertionRule::word) {
    starts_word_ = data::starts_word_table(*run.tokenizer);
  }
}

models::Prompt PromptBuilder::build(const Method& method,
                                    std::span<const std::span<const data::TokenId>> segments,
                                    std::span<const data::TokenId> suffix,
                                    std::span<const data::TokenId> system) const {
  models::Prompt prompt;
  if (method.gists && gist_.levels() > 0 && gist_.links > 0) {
    add_linked(method, segments, system, prompt);
  } else {
    add_segment(method, system, prompt);
    for (const auto& segment : segments) add_segment(method, segment, prompt);
  }
  prompt.suffix = static_cast<std::int64_t>(prompt.tokens.size());
  prompt.tokens.insert(prompt.tokens.end(), suffix.begin(), suffix.end());
  prompt.level.resize(prompt.tokens.size(), -1);
  if (!prompt.part.empty()) prompt.part.resize(prompt.tokens.size(), gsa::Part::suffix);
  return prompt;
}

void PromptBuilder::add_linked(const Method& method,
                               std::span<const std::span<const data::TokenId>> segments,
                               std::span<const data::TokenId> system,
                               models::Prompt& prompt) const {
  const auto end_part = [&](gsa::Part part) {
    prompt.level.resize(prompt.tokens.size(), -1);
    prompt.part.resize(prompt.tokens.size(), part);
  };
  prompt.tokens.assign(system.begin(), system.end());
  end_part(gsa::Part::system);
  for (const auto& segment : segments) {
    if (segment.empty()) continue;
    add_segment(method, segment, prompt);
    end_part(gsa::Part::document);
    for (std::int64_t i = 0; i < gist_.links; ++i) {
      prompt.tokens.push_back(first_gist_ + gist_.levels() + static_cast<data::TokenId>(i));
    }
    end_part(gsa::Part::link);
  }
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
