#include "models/prompt.h"

#include "core/error.h"

namespace unfold::models {

void check_tokens(const Prompt& prompt, std::int64_t vocab_size, int gist_levels) {
  core::check(!prompt.tokens.empty() && prompt.level.size() == prompt.tokens.size(), "prompt",
              "{} tokens with {} levels", prompt.tokens.size(), prompt.level.size());
  core::check(prompt.level[0] < 0, "prompt", "it begins with a gist");
  for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
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
