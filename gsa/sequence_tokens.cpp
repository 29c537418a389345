#include "gsa/sequence_tokens.h"

#include <algorithm>

#include "core/error.h"
#include "gsa/gist_config.h"

namespace unfold::gsa {

SequenceTokens::SequenceTokens(int levels) {
  core::check(levels >= 0 && levels <= kMaxLevels, "sequence", "{} gist levels", levels);
  chunks_.resize(static_cast<std::size_t>(levels));
  for (ChunkLevel& chunk : chunks_) chunk.first_child = {0};
  before_.assign(static_cast<std::size_t>(sections()), 0);
}

void SequenceTokens::append(int level, TokenRole role) {
  core::check(level >= -1 && level < levels(), "sequence", "a gist of level {} of {}", level,
              levels());
  const std::int64_t t = size();
  core::check(level < 1 || (t > 0 && this->level(t - 1) == level - 1), "sequence",
              "position {}: level-{} gist not directly behind a level-{} gist", t, level,
              level - 1);
  core::check(level < 0 || role == TokenRole::plain, "sequence", "position {}: a gist with a role",
              t);
  if (role != TokenRole::plain) {
    const std::int32_t raw = before(0, t);
    if (!anchors_.empty() && anchors_.back().end == raw) {
      ++anchors_.back().end;
    } else {
      anchors_.push_back({raw, raw + 1});
    }
  }
  role_.push_back(role);
  if (level >= 0) {
    ChunkLevel& own = chunks_[static_cast<std::size_t>(level)];
    own.gist.push_back(static_cast<std::int32_t>(t));
    if (level == 0) chunk_begin_.push_back(std::max(own.first_child.back(), document_));
    own.first_child.push_back(before(level, t));  // the section below is that of the children
  }
  level_.push_back(static_cast<std::int8_t>(level));
  const auto last = static_cast<std::size_t>(t * sections());
  for (int section = 0; section < sections(); ++section) {
    before_.push_back(before_[last + static_cast<std::size_t>(section)] +
                      (section == section_of(level) ? 1 : 0));
  }
}

SequenceTokens::RawSpan SequenceTokens::covered_raw(int level, std::int32_t j) const {
  const std::int32_t first = covered(0, level, j);
  return {chunk_begin_[static_cast<std::size_t>(first)], covered(-1, level, j + 1)};
}

std::int32_t SequenceTokens::covered(int level, int higher, std::int32_t count) const {
  for (int l = higher; l > level; --l) {
    count = gists(l).first_child[static_cast<std::size_t>(count)];
  }
  return count;
}

}  // namespace unfold::gsa
