#include "models/prompt.h"

#include "core/error.h"

namespace unfold::models {

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
