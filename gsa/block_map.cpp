#include "gsa/block_map.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "gsa/links.h"

namespace unfold::gsa {
namespace {

// For every position of a row its group, and the number of groups.
struct Groups {
  int count = 1;
  std::vector<std::int32_t> of;  // (length)
};

Groups group_row(const Layout& layout, std::int64_t row, const GistConfig& config,
                 Visibility visibility) {
  Groups groups;
  groups.of.assign(static_cast<std::size_t>(layout.length), 0);
  if (visibility == Visibility::causal || layout.levels == 0) return groups;
  const int raw = visibility == Visibility::full ? 1 : layout.levels;
  groups.count = raw + 1;
  std::fill(groups.of.begin(), groups.of.end(), raw);
  for (const DocumentSpan& document : document_spans(layout, row)) {
    if (!document.has_gist) continue;
    for (std::int32_t t = document.begin; t < document.end; ++t) {
      const int level = layout.level[static_cast<std::size_t>(row * layout.length + t)];
      std::int32_t& group = groups.of[static_cast<std::size_t>(t)];
      if (visibility == Visibility::full) {
        if (level >= 0) group = 0;
      } else if (t - document.begin < config.sinks) {
        group = 0;
      } else {
        group = layout.levels - 1 - level;
      }
    }
    if (visibility == Visibility::full) continue;
    for (const PartRun& run : part_runs(layout, row, document)) {
      for (std::int32_t t = run.begin; t < run.end; ++t) {
        const std::int8_t level = layout.level[static_cast<std::size_t>(row * layout.length + t)];
        if (is_anchor(run, t, level, config.sinks)) groups.of[static_cast<std::size_t>(t)] = 0;
      }
    }
  }
  return groups;
}

// next: of the first document of the row; is moved behind the last.
Groups group_windows(const Layout& layout, std::int64_t row, std::span<const KeyWindow> windows,
                     std::size_t& next) {
  Groups groups;
  groups.count = 2;
  groups.of.assign(static_cast<std::size_t>(layout.length), 1);
  for (const DocumentSpan& document : document_spans(layout, row)) {
    const std::int64_t end =
        std::min<std::int64_t>(document.end, document.begin + windows[next++].sinks);
    std::fill(groups.of.begin() + document.begin,
              groups.of.begin() + std::max<std::int64_t>(document.begin, end), 0);
  }
  return groups;
}

// Finds the ranges of one row, tile by tile.
class RowRanges {
 public:
  // queries: of the row, ascending.
  RowRanges(const Reach& reach, std::int64_t row, const Groups& groups,
            std::span<const std::int32_t> queries, std::span<std::int32_t> order)
      : reach_(reach), row_(row), length_(static_cast<std::int32_t>(reach.length)), order_(order) {
    gather(groups);
    check_order();
    find_next_queries(queries);
  }

  // Appends the ranges of a tile whose queries stand in [first, last). Tiles must come in order.
  void append(std::int32_t first, std::int32_t last, std::vector<KeyRange>& ranges) {
    for (std::size_t g = 0; g + 1 < group_begin_.size(); ++g) {
      const std::int32_t begin = first_seen(g, first, last);
      std::int32_t& end = cursor_end_[g];
      while (end < group_begin_[g + 1] && position(end) < last) ++end;
      KeyRange range{begin, std::max(begin, end)};
      // A key may outlive the tile and yet be seen by none of its queries: those of other classes.
      while (range.begin < range.end && !seen(range.begin, first, last)) ++range.begin;
      while (range.begin < range.end && !seen(range.end - 1, first, last)) --range.end;
      if (range.begin < range.end) ranges.push_back(range);
    }
  }

 private:
  std::int32_t position(std::int32_t gathered) const {
    return order_[static_cast<std::size_t>(gathered)];
  }

  // The keys of a group before it are seen by no query in [first, last) and none of their classes
  // behind. Class by class: with links, what one class still sees the others may have left long
  // before.
  std::int32_t first_seen(std::size_t group, std::int32_t first, std::int32_t last) {
    std::int32_t begin = group_begin_[group + 1];
    const auto classes = static_cast<std::size_t>(reach_.classes);
    for (std::size_t c = 0; c < classes; ++c) {
      const std::size_t stride = static_cast<std::size_t>(length_) + 1;
      if (next_[c * stride + static_cast<std::size_t>(first)] >= last) continue;
      std::int32_t& cursor = cursor_begin_[group * classes + c];
      const auto ended = [&] {
        return reach_.at(row_, static_cast<int>(c), position(cursor)) <= first;
      };
      while (cursor < group_begin_[group + 1] && ended()) ++cursor;
      begin = std::min(begin, cursor);
    }
    return begin;
  }

  // Positions sorted by group, in order within a group.
  void gather(const Groups& groups) {
    group_begin_.assign(static_cast<std::size_t>(groups.count) + 1, 0);
    for (const std::int32_t group : groups.of) ++group_begin_[static_cast<std::size_t>(group) + 1];
    for (std::size_t g = 1; g < group_begin_.size(); ++g) group_begin_[g] += group_begin_[g - 1];
    cursor_end_.assign(group_begin_.begin(), group_begin_.end() - 1);
    for (const std::int32_t begin : cursor_end_) {
      cursor_begin_.insert(cursor_begin_.end(), static_cast<std::size_t>(reach_.classes), begin);
    }
    std::vector<std::int32_t> next = cursor_end_;
    for (std::int32_t t = 0; t < length_; ++t) {
      const auto group = static_cast<std::size_t>(groups.of[static_cast<std::size_t>(t)]);
      order_[static_cast<std::size_t>(next[group]++)] = t;
    }
  }

  // The end of the keys of a group, over all classes, never falls: else ranges would not be tight.
  void check_order() const {
    for (std::size_t g = 0; g + 1 < group_begin_.size(); ++g) {
      std::int32_t before = 0;
      for (std::int32_t i = group_begin_[g]; i < group_begin_[g + 1]; ++i) {
        std::int32_t end = 0;
        for (int c = 0; c < reach_.classes; ++c) {
          end = std::max(end, reach_.at(row_, c, position(i)));
        }
        core::check(end >= before, "block_map",
                    "row {} position {}: reach falls from {} to {} within group {}", row_,
                    position(i), before, end, g);
        before = end;
      }
    }
  }

  // next_[c][t]: the first query of class c at or behind t, or the row's length.
  void find_next_queries(std::span<const std::int32_t> queries) {
    const auto stride = static_cast<std::size_t>(length_) + 1;
    next_.assign(static_cast<std::size_t>(reach_.classes) * stride, length_);
    for (std::int32_t t = length_; t-- > 0;) {
      const bool asks = !queries.empty() && queries.back() == t;
      if (asks) queries = queries.first(queries.size() - 1);
      const int here =
          asks ? reach_.query_class[static_cast<std::size_t>(row_ * reach_.length + t)] : -1;
      for (int c = 0; c < reach_.classes; ++c) {
        const std::size_t slot = static_cast<std::size_t>(c) * stride + static_cast<std::size_t>(t);
        next_[slot] = c == here ? t : next_[slot + 1];
      }
    }
  }

  // Whether a query in [first, last) sees the gathered key.
  bool seen(std::int32_t gathered, std::int32_t first, std::int32_t last) const {
    const std::int32_t key = position(gathered);
    const auto from = static_cast<std::size_t>(std::max(key, first));
    const auto stride = static_cast<std::size_t>(length_) + 1;
    for (int c = 0; c < reach_.classes; ++c) {
      const std::int32_t query = next_[static_cast<std::size_t>(c) * stride + from];
      if (query < std::min(last, reach_.at(row_, c, key))) return true;
    }
    return false;
  }

  const Reach& reach_;
  std::int64_t row_;
  std::int32_t length_;
  std::span<std::int32_t> order_;
  std::vector<std::int32_t> group_begin_;   // (groups + 1)
  std::vector<std::int32_t> cursor_begin_;  // (groups, classes) first key still seen by the class
  std::vector<std::int32_t> cursor_end_;    // (groups) first key behind the current tile
  std::vector<std::int32_t> next_;          // (classes, length + 1)
};

// Visible pairs of the given queries, ascending, of one row.
std::int64_t count_pairs(const Reach& reach, std::int64_t row,
                         std::span<const std::int32_t> queries) {
  std::int64_t total = 0;
  std::vector<std::int32_t> before(static_cast<std::size_t>(reach.length) + 1);
  for (int c = 0; c < reach.classes; ++c) {
    // before[t]: queries of the class that stand at positions < t.
    std::size_t next = 0;
    for (std::int64_t t = 0; t < reach.length; ++t) {
      const bool asks = next < queries.size() && queries[next] == t;
      next += asks ? 1 : 0;
      const bool member =
          asks && reach.query_class[static_cast<std::size_t>(row * reach.length + t)] == c;
      before[static_cast<std::size_t>(t) + 1] =
          before[static_cast<std::size_t>(t)] + (member ? 1 : 0);
    }
    for (std::int64_t key = 0; key < reach.length; ++key) {
      const auto seen_until = static_cast<std::size_t>(reach.at(row, c, key));
      total += before[seen_until] - before[static_cast<std::size_t>(key)];
    }
  }
  return total;
}

// BlockMap::causal_documents. A document without gists is causal whatever the visibility
// (gsa/reach.cpp); one with gists or links is so only where these are tokens like any other.
std::vector<TokenSpan> find_causal_documents(const Layout& layout, Visibility visibility,
                                             std::span<const std::uint8_t> attends) {
  if (std::find(attends.begin(), attends.end(), 0) != attends.end()) return {};
  std::vector<TokenSpan> documents;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    for (const DocumentSpan& document : document_spans(layout, row)) {
      const bool gists = document.has_gist || (document.linked && visibility == Visibility::gist);
      if (gists && visibility != Visibility::causal) return {};
      documents.push_back({row * layout.length + document.begin, document.end - document.begin});
    }
  }
  return documents;
}

// Fills in everything of a map that has its reach and its tile size. groups_of(row) is called row
// by row, in order.
template <typename GroupsOf>
void find_ranges(const Layout& layout, std::span<const std::uint8_t> attends, GroupsOf&& groups_of,
                 BlockMap& map) {
  core::check(map.query_tile > 0, "block_map", "{} queries a tile", map.query_tile);
  core::check(static_cast<std::int64_t>(attends.size()) == layout.size(), "block_map",
              "{} flags for {} rows of {}", attends.size(), layout.rows, layout.length);
  map.query_offsets.push_back(0);
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    for (std::int64_t t = 0; t < layout.length; ++t) {
      if (attends[static_cast<std::size_t>(row * layout.length + t)] != 0) {
        map.queries.push_back(static_cast<std::int32_t>(t));
      }
    }
    map.query_offsets.push_back(static_cast<std::int64_t>(map.queries.size()));
    const std::int64_t count = map.query_offsets.back() - map.query_offsets.end()[-2];
    map.tiles_per_row =
        std::max(map.tiles_per_row, count == 0 ? 0 : (count - 1) / map.query_tile + 1);
  }
  map.order.resize(static_cast<std::size_t>(layout.size()));
  map.range_offsets.push_back(0);
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const auto length = static_cast<std::size_t>(layout.length);
    const auto order = std::span(map.order).subspan(static_cast<std::size_t>(row) * length, length);
    const auto begin = static_cast<std::size_t>(map.query_offsets[static_cast<std::size_t>(row)]);
    const auto end = static_cast<std::size_t>(map.query_offsets[static_cast<std::size_t>(row) + 1]);
    RowRanges row_ranges(map.reach, row, groups_of(row),
                         std::span(map.queries).subspan(begin, end - begin), order);
    for (std::int64_t tile = 0; tile < map.tiles_per_row; ++tile) {
      const auto queries = map.tile_queries(row, tile);
      if (!queries.empty()) row_ranges.append(queries.front(), queries.back() + 1, map.ranges);
      core::check(map.ranges.size() <= std::numeric_limits<std::int32_t>::max(), "block_map",
                  "{} key ranges: too many for one batch", map.ranges.size());
      map.range_offsets.push_back(static_cast<std::int32_t>(map.ranges.size()));
    }
  }
}

}  // namespace

std::span<const KeyRange> BlockMap::tile_ranges(std::int64_t row, std::int64_t tile) const {
  core::check(row >= 0 && row < rows() && tile >= 0 && tile < tiles_per_row, "block_map",
              "row {} tile {} of {} rows of {} tiles", row, tile, rows(), tiles_per_row);
  const auto i = static_cast<std::size_t>(row * tiles_per_row + tile);
  const auto begin = static_cast<std::size_t>(range_offsets[i]);
  const auto end = static_cast<std::size_t>(range_offsets[i + 1]);
  return std::span(ranges).subspan(begin, end - begin);
}

bool BlockMap::causal_rows() const {
  return static_cast<std::int64_t>(causal_documents.size()) == rows() &&
         std::all_of(causal_documents.begin(), causal_documents.end(),
                     [this](const TokenSpan& document) { return document.length == length(); });
}

std::int64_t BlockMap::visited_keys() const {
  std::int64_t total = 0;
  for (const KeyRange& range : ranges) total += range.end - range.begin;
  return total;
}

std::span<const std::int32_t> BlockMap::tile_queries(std::int64_t row, std::int64_t tile) const {
  const auto begin = query_offsets[static_cast<std::size_t>(row)];
  const auto end = query_offsets[static_cast<std::size_t>(row) + 1];
  const std::int64_t first = std::min(end, begin + tile * query_tile);
  const std::int64_t last = std::min(end, first + query_tile);
  return std::span(queries).subspan(static_cast<std::size_t>(first),
                                    static_cast<std::size_t>(last - first));
}

BlockMap make_block_map(const Layout& layout, const GistConfig& config, Visibility visibility,
                        std::int64_t query_tile) {
  const std::vector<std::uint8_t> all(static_cast<std::size_t>(layout.size()), 1);
  return make_block_map(layout, config, visibility, all, query_tile);
}

BlockMap make_block_map(const Layout& layout, const GistConfig& config, Visibility visibility,
                        std::span<const std::uint8_t> attends, std::int64_t query_tile) {
  BlockMap map;
  map.reach = compute_reach(layout, config, visibility);
  map.causal_documents = find_causal_documents(layout, visibility, attends);
  map.query_tile = query_tile;
  find_ranges(
      layout, attends, [&](std::int64_t row) { return group_row(layout, row, config, visibility); },
      map);
  return map;
}

BlockMap make_window_map(const Layout& layout, std::span<const KeyWindow> windows,
                         std::int64_t query_tile) {
  BlockMap map;
  map.reach = window_reach(layout, windows);
  map.query_tile = query_tile;
  std::size_t next = 0;
  const std::vector<std::uint8_t> all(static_cast<std::size_t>(layout.size()), 1);
  find_ranges(
      layout, all, [&](std::int64_t row) { return group_windows(layout, row, windows, next); },
      map);
  return map;
}

std::int64_t count_visible_pairs(const Reach& reach, std::int64_t row, std::int64_t begin,
                                 std::int64_t end) {
  core::check(row >= 0 && row < reach.rows && begin >= 0 && begin <= end && end <= reach.length,
              "block_map", "queries {} to {} of row {} in {} rows of {}", begin, end, row,
              reach.rows, reach.length);
  std::vector<std::int32_t> queries(static_cast<std::size_t>(end - begin));
  std::iota(queries.begin(), queries.end(), static_cast<std::int32_t>(begin));
  return count_pairs(reach, row, queries);
}

std::int64_t count_visible_pairs(const Reach& reach) {
  std::int64_t total = 0;
  for (std::int64_t row = 0; row < reach.rows; ++row) {
    total += count_visible_pairs(reach, row, 0, reach.length);
  }
  return total;
}

std::int64_t count_visible_pairs(const BlockMap& map) {
  std::int64_t total = 0;
  for (std::int64_t row = 0; row < map.rows(); ++row) {
    const auto begin = map.query_offsets[static_cast<std::size_t>(row)];
    const auto end = map.query_offsets[static_cast<std::size_t>(row) + 1];
    total += count_pairs(
        map.reach, row,
        std::span(map.queries)
            .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  }
  return total;
}

}  // namespace unfold::gsa
