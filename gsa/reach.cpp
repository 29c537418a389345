#include "gsa/reach.h"

#include <algorithm>
#include <span>

#include "core/error.h"
#include "gsa/links.h"

namespace unfold::gsa {
namespace {

// One row's part of a Reach.
struct RowReach {
  std::span<std::int32_t> end;  // (classes, length)
  int classes;
  std::int64_t length;

  void set(int query_class, std::int32_t key, std::int32_t value) const {
    end[static_cast<std::size_t>(query_class * length + key)] = value;
  }
  // Classes first .. last, both included.
  void set(int first, int last, std::int32_t key, std::int32_t value) const {
    for (int c = first; c <= last; ++c) set(c, key, value);
  }
};

void check_nesting(std::span<const std::int8_t> level, const DocumentSpan& document,
                   std::int64_t row) {
  for (std::int32_t t = document.begin; t < document.end; ++t) {
    const int here = level[static_cast<std::size_t>(t)];
    if (here < 1) continue;
    core::check(t > document.begin && level[static_cast<std::size_t>(t - 1)] == here - 1, "reach",
                "row {} position {}: level-{} gist not directly behind a level-{} gist", row, t,
                here, here - 1);
  }
}

void reach_causal(const DocumentSpan& document, const RowReach& reach) {
  for (std::int32_t key = document.begin; key < document.end; ++key) {
    reach.set(0, reach.classes - 1, key, document.end);
  }
}

void reach_full(std::span<const std::int8_t> level, const DocumentSpan& document,
                const RowReach& reach) {
  for (std::int32_t key = document.begin; key < document.end; ++key) {
    const int here = level[static_cast<std::size_t>(key)];
    reach.set(0, reach.classes - 1, key, here < 0 ? document.end : key);
    if (here >= 0) reach.set(here, key, key + 1);
  }
}

void reach_gist(std::span<const std::int8_t> level, const DocumentSpan& document, int levels,
                const GistConfig& config, const RowReach& reach) {
  std::vector<std::vector<std::int32_t>> gists(static_cast<std::size_t>(levels));
  for (std::int32_t t = document.begin; t < document.end; ++t) {
    const int here = level[static_cast<std::size_t>(t)];
    if (here >= 0) gists[static_cast<std::size_t>(here)].push_back(t);
  }
  std::vector<std::int64_t> seen(static_cast<std::size_t>(levels), 0);  // C_l of the key
  // The first query whose C_l is more than `ahead` above the key's.
  const auto end_behind = [&](int l, std::int64_t ahead) {
    const auto& places = gists[static_cast<std::size_t>(l)];
    const std::int64_t passed = seen[static_cast<std::size_t>(l)];
    if (ahead >= static_cast<std::int64_t>(places.size()) - passed) return document.end;
    return places[static_cast<std::size_t>(passed + ahead)] + 1;
  };

  const int top = levels - 1;
  const int last_class = reach.classes - 1;
  const std::int64_t previous = config.previous_chunks;
  for (std::int32_t key = document.begin; key < document.end; ++key) {
    const int here = level[static_cast<std::size_t>(key)];
    if (here == top || key - document.begin < config.sinks) {  // (a), (f)
      reach.set(0, last_class, key, document.end);
    } else if (here < 0) {
      reach.set(0, key, end_behind(0, previous));  // (c)
      reach.set(1, last_class, key, key);
    } else {
      const int higher = here + 1;
      // (b) with (e), and (d) for the covering gist. With P = 0 only the covering gist still sees
      // the key at its own place; that the lower classes end there too changes nothing for them.
      const std::int32_t end = end_behind(higher, previous);
      reach.set(0, key, std::max(end, end_behind(0, previous)));  // (c)
      reach.set(1, higher, key, end);
      reach.set(higher + 1, last_class, key, key);
    }
    if (here >= 0) ++seen[static_cast<std::size_t>(here)];
  }
}

// A prompt with links. reach: of all classes, every key's own position at first.
void reach_linked(std::span<const std::int8_t> level, const DocumentSpan& document,
                  std::span<const PartRun> runs, int levels, const GistConfig& config,
                  const RowReach& reach) {
  const int link_class = std::max(1, levels);
  const int suffix_class = link_class + 1;
  const RowReach within{reach.end, link_class, reach.length};  // the classes of the levels
  // What the suffix sees by section 5: as class 0 of the prompt taken as one document.
  std::vector<std::int32_t> as_one(static_cast<std::size_t>(link_class * reach.length), 0);
  if (document.has_gist) {
    reach_gist(level, document, levels, config, {as_one, link_class, reach.length});
  } else {
    reach_causal(document, {as_one, link_class, reach.length});
  }
  std::int32_t links_end = document.begin;
  for (const PartRun& run : runs) {
    if (run.part == Part::link) links_end = run.end;
  }
  for (const PartRun& run : runs) {
    const bool retrieved = run.part == Part::document;
    const DocumentSpan span{run.begin, run.end, retrieved};
    if (run.part == Part::system) reach_causal(span, within);
    if (retrieved) reach_gist(level, span, levels, config, within);
    for (std::int32_t key = run.begin; key < run.end; ++key) {
      const std::int8_t here = level[static_cast<std::size_t>(key)];
      const bool anchor = is_anchor(run, key, here, config.sinks);
      if (anchor || here >= 0) reach.set(link_class, key, std::max(key, links_end));
      reach.set(suffix_class, key, anchor ? document.end : as_one[static_cast<std::size_t>(key)]);
    }
  }
}

// From a position to the end of the row.
void reach_padding(std::int32_t begin, const RowReach& reach) {
  for (std::int32_t t = begin; t < reach.length; ++t) {
    reach.set(0, t, t + 1);
    reach.set(1, reach.classes - 1, t, t);
  }
}

// All queries are of class 0.
Reach empty_reach(const Layout& layout, int classes) {
  Reach reach{.rows = layout.rows,
              .length = layout.length,
              .classes = classes,
              .end = {},
              .query_class = {}};
  reach.end.resize(static_cast<std::size_t>(layout.size() * classes));
  reach.query_class.resize(static_cast<std::size_t>(layout.size()));
  return reach;
}

// Links and what stands behind them, where they are classes of their own.
void classify_links(const Layout& layout, Reach& reach) {
  const int link_class = std::max(1, layout.levels);
  for (std::size_t i = 0; i < layout.part.size(); ++i) {
    if (layout.part[i] == Part::link) reach.query_class[i] = static_cast<std::int8_t>(link_class);
    if (layout.part[i] == Part::suffix) {
      reach.query_class[i] = static_cast<std::int8_t>(link_class + 1);
    }
  }
}

}  // namespace

Reach compute_reach(const Layout& layout, const GistConfig& config, Visibility visibility) {
  Reach reach = empty_reach(layout, std::max(1, layout.levels));
  std::transform(layout.level.begin(), layout.level.end(), reach.query_class.begin(),
                 [](std::int8_t level) { return std::max<std::int8_t>(level, 0); });
  const bool links = visibility == Visibility::gist && !layout.part.empty();
  if (links) {
    core::check(layout.levels <= kMaxLinkedLevels, "reach", "links behind gists of {} levels",
                layout.levels);
    reach.classes += 2;
    reach.end.resize(static_cast<std::size_t>(layout.size() * reach.classes));
    classify_links(layout, reach);
  }

  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const auto length = static_cast<std::size_t>(layout.length);
    const auto row_index = static_cast<std::size_t>(row);
    const auto level = std::span(layout.level).subspan(row_index * length, length);
    const auto row_size = length * static_cast<std::size_t>(reach.classes);
    const RowReach row_reach{std::span(reach.end).subspan(row_index * row_size, row_size),
                             reach.classes, layout.length};
    if (links) {
      for (std::int32_t key = 0; key < layout.length; ++key) {
        row_reach.set(0, reach.classes - 1, key, key);
      }
    }
    std::int32_t padding = 0;
    for (const DocumentSpan& document : document_spans(layout, row)) {
      padding = document.end;
      check_nesting(level, document, row);
      if (links && document.linked) {
        reach_linked(level, document, part_runs(layout, row, document), layout.levels, config,
                     row_reach);
      } else if (visibility == Visibility::causal || !document.has_gist) {
        reach_causal(document, row_reach);
      } else if (visibility == Visibility::full) {
        reach_full(level, document, row_reach);
      } else {
        reach_gist(level, document, layout.levels, config, row_reach);
      }
    }
    reach_padding(padding, row_reach);
  }
  return reach;
}

Reach window_reach(const Layout& layout, std::span<const KeyWindow> windows) {
  Reach reach = empty_reach(layout, 1);
  std::size_t next = 0;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const auto length = static_cast<std::size_t>(layout.length);
    const RowReach row_reach{
        std::span(reach.end).subspan(static_cast<std::size_t>(row) * length, length), 1,
        layout.length};
    std::int32_t padding = 0;
    for (const DocumentSpan& document : document_spans(layout, row)) {
      padding = document.end;
      core::check(next < windows.size() && windows[next].size >= 1, "reach",
                  "no window for document {}", next);
      const KeyWindow& window = windows[next++];
      for (std::int32_t key = document.begin; key < document.end; ++key) {
        const bool sink = key - document.begin < window.sinks;
        const std::int64_t end = sink ? document.end : key + window.size;
        row_reach.set(0, key, static_cast<std::int32_t>(std::min<std::int64_t>(end, document.end)));
      }
    }
    reach_padding(padding, row_reach);
  }
  core::check(next == windows.size(), "reach", "{} windows for {} documents", windows.size(), next);
  return reach;
}

}  // namespace unfold::gsa
