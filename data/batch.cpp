#include "data/batch.h"

#include <algorithm>

namespace unfold::data {

Batch without_gists(const Batch& batch) {
  const gsa::Layout& old = batch.layout;
  const auto at = [&](std::int64_t row, std::int64_t t) {
    return static_cast<std::size_t>(row * old.length + t);
  };
  const auto is_inserted = [&](std::size_t i) {
    return old.level[i] >= 0 || (!old.part.empty() && old.part[i] == gsa::Part::link);
  };
  const auto is_kept = [&](std::size_t i) { return !is_inserted(i) && old.document[i] >= 0; };
  std::int64_t length = 0;
  for (std::int64_t row = 0; row < old.rows; ++row) {
    std::int64_t kept = 0;
    for (std::int64_t t = 0; t < old.length; ++t) kept += is_kept(at(row, t)) ? 1 : 0;
    length = std::max(length, kept);
  }
  Batch result;
  const auto size = static_cast<std::size_t>(old.rows * length);
  std::vector<std::int32_t> document(size, -1);
  result.tokens.assign(size, 0);
  result.targets.assign(size, kIgnoredTarget);
  for (std::int64_t row = 0; row < old.rows; ++row) {
    auto out = static_cast<std::size_t>(row * length);
    const std::size_t first = out;
    for (std::int64_t t = 0; t < old.length; ++t) {
      const std::size_t in = at(row, t);
      // The target of a gist is the next raw token: it belongs to the raw token before the gist.
      if (is_inserted(in) && batch.targets[in] >= 0 && out > first) {
        result.targets[out - 1] = batch.targets[in];
      }
      if (!is_kept(in)) continue;
      document[out] = old.document[in];
      result.tokens[out] = batch.tokens[in];
      result.targets[out] = batch.targets[in];
      ++out;
    }
  }
  const std::vector<std::int8_t> level(size, -1);
  result.layout = gsa::make_layout(old.rows, length, old.levels, level, document);
  result.valid_targets = batch.valid_targets;
  result.target_bytes = batch.target_bytes;
  return result;
}

}  // namespace unfold::data
