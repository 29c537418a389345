#include "models/prompt.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/links.h"

namespace unfold::models {
namespace {

void check_parts(const Prompt& prompt, std::int64_t first_link, int gist_levels,
                 std::int64_t links) {
  const auto count = static_cast<std::int64_t>(prompt.tokens.size());
  const std::vector<std::int32_t> one(prompt.tokens.size(), 0);
  gsa::make_layout(1, count, gist_levels, prompt.level, one, prompt.part);
  for (const gsa::PartRun& run : gsa::part_runs(prompt.part)) {
    if (run.part != gsa::Part::link) continue;
    core::check(run.end - run.begin == links, "prompt", "{} links at {}, the model has {}",
                run.end - run.begin, run.begin, links);
    for (std::int32_t i = 0; i < run.end - run.begin; ++i) {
      const std::int32_t token = prompt.tokens[static_cast<std::size_t>(run.begin + i)];
      core::check(token == first_link + i, "prompt", "position {}: token {} for link {}",
                  run.begin + i, token, i);
    }
  }
}

}  // namespace

void check_tokens(const Prompt& prompt, std::int64_t vocab_size, int gist_levels,
                  std::int64_t links) {
  core::check(!prompt.tokens.empty() && prompt.level.size() == prompt.tokens.size(), "prompt",
              "{} tokens with {} levels", prompt.tokens.size(), prompt.level.size());
  core::check(prompt.level[0] < 0, "prompt", "it begins with a gist");
  if (!prompt.part.empty()) check_parts(prompt, vocab_size + gist_levels, gist_levels, links);
  for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
    if (!prompt.part.empty() && prompt.part[i] == gsa::Part::link) continue;
    const int level = prompt.level[i];
    const std::int32_t token = prompt.tokens[i];
    core::check(level < 0 ? token >= 0 && token < vocab_size
                          : level < gist_levels && token == vocab_size + level,
                "prompt", "position {}: token {} at level {}", i, token, level);
  }
}

std::int64_t suffix_begin(const Prompt& prompt) {
  const auto length = static_cast<std::int64_t>(prompt.level.size());
  if (prompt.suffix >= 0) {
    core::check(prompt.suffix <= length, "prompt", "a suffix from {} of {} tokens", prompt.suffix,
                length);
    return prompt.suffix;
  }
  std::int64_t behind = length;
  while (behind > 0 && prompt.level[static_cast<std::size_t>(behind) - 1] < 0) --behind;
  return behind == 0 ? length : behind;
}

}  // namespace unfold::models
