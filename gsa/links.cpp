#include "gsa/links.h"

#include "gsa/gist_config.h"

namespace unfold::gsa {

static_assert(kMaxLinkedLevels + 2 <= kMaxLevels);

std::vector<PartRun> part_runs(std::span<const Part> parts, std::int32_t first) {
  std::vector<PartRun> runs;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto t = first + static_cast<std::int32_t>(i);
    if (runs.empty() || runs.back().part != parts[i]) runs.push_back({parts[i], t, t});
    runs.back().end = t + 1;
  }
  return runs;
}

std::vector<PartRun> part_runs(const Layout& layout, std::int64_t row,
                               const DocumentSpan& document) {
  if (!document.linked) return {};
  const auto begin = static_cast<std::size_t>(row * layout.length + document.begin);
  const auto count = static_cast<std::size_t>(document.end - document.begin);
  return part_runs(std::span(layout.part).subspan(begin, count), document.begin);
}

bool is_anchor(const PartRun& run, std::int32_t position, std::int8_t level, std::int64_t sinks) {
  switch (run.part) {
    case Part::system:
    case Part::link:
      return true;
    case Part::document:
      return level < 0 && position - run.begin < sinks;
    case Part::none:
    case Part::suffix:
      break;
  }
  return false;
}

}  // namespace unfold::gsa
