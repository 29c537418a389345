#include "gsa/gist_config.h"

#include <limits>

#include "core/error.h"
#include "gsa/links.h"

namespace unfold::gsa {

void validate(const GistConfig& config) {
  core::require(config.levels() <= kMaxLevels, "gist",
                "gist.chunks has {} levels: give at most {} numbers", config.levels(), kMaxLevels);
  constexpr std::int64_t kMaxRatio = std::numeric_limits<std::int32_t>::max();
  std::int64_t ratio = 1;
  for (int l = 0; l < config.levels(); ++l) {
    const std::int64_t chunk = config.chunks[static_cast<std::size_t>(l)];
    core::require(chunk >= 1, "gist", "gist.chunks[{}] is {}: give at least 1", l, chunk);
    core::require(chunk <= kMaxRatio / ratio, "gist",
                  "gist.chunks multiply to more than {}: give smaller numbers", kMaxRatio);
    ratio *= chunk;
  }
  core::require(config.sinks >= 0, "gist", "gist.sinks is {}: give 0 or more", config.sinks);
  core::require(config.previous_chunks >= 0, "gist", "gist.previous_chunks is {}: give 0 or more",
                config.previous_chunks);
  core::require(config.links >= 0 && config.links <= kMaxLinks, "gist",
                "gist.links is {}: give 0 to {}", config.links, kMaxLinks);
  core::require(config.links == 0 || config.levels() <= kMaxLinkedLevels, "gist",
                "gist.chunks has {} levels: with gist.links give at most {} numbers",
                config.levels(), kMaxLinkedLevels);
}

}  // namespace unfold::gsa
