// Prompts: a compressible context with its gists, and a suffix that stays raw behind it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "eval/loaded_run.h"
#include "eval/method.h"
#include "gsa/gist_config.h"
#include "models/prompt.h"

namespace unfold::eval {

class PromptBuilder {
 public:
  // gist: how gists are placed, with the levels the model has.
  PromptBuilder(const LoadedRun& run, const gsa::GistConfig& gist);

  // Every segment of the context has gists of its own if the method has gists; question, answer and
  // whatever else is in the suffix never hold any (METHOD.md section 3). Any may be empty.
  // system: a system prompt in front of the context, a segment like the others.
  // With links (gist.links), and a method that has gists, it is a prompt with links, as rows of
  // training are: system prompt and suffix raw, every segment a document with links behind it.
  models::Prompt build(const Method& method,
                       std::span<const std::span<const data::TokenId>> segments,
                       std::span<const data::TokenId> suffix,
                       std::span<const data::TokenId> system = {}) const;
  // A context of one segment.
  models::Prompt build(const Method& method, std::span<const data::TokenId> context,
                       std::span<const data::TokenId> suffix) const {
    return build(method, std::span(&context, 1), suffix);
  }

 private:
  void add_segment(const Method& method, std::span<const data::TokenId> segment,
                   models::Prompt& prompt) const;
  // A system prompt and documents with links behind each.
  void add_linked(const Method& method, std::span<const std::span<const data::TokenId>> segments,
                  std::span<const data::TokenId> system, models::Prompt& prompt) const;

  gsa::GistConfig gist_;
  data::TokenId first_gist_;               // id of the level-0 gist, behind the model's vocabulary
  std::vector<std::uint8_t> starts_word_;  // (vocab_size); empty for InsertionRule::count
};

}  // namespace unfold::eval
