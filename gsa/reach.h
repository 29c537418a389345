// Reach: the visibility of a whole layout in a few integers a key, instead of a T x T mask.
//
// Under METHOD.md section 5 the queries that see a key form, within one class of queries, an
// interval that starts at the key itself. So a key needs one number a class: the first query that
// no longer sees it. Classes: 0 for raw tokens and level-0 gists (lvl(q) <= 0), l for level-l
// gists, l >= 1.
//
// In layouts with links (gsa/links.h), under Visibility::gist, two classes follow: links, and what
// stands behind them.
//
//     visible(q, k)  <=>  k <= q  and  q < reach[class(q)][k]
//
// Why there are no gaps: (a), (c) and (f) are intervals from the key on. A level-j gist k below the
// top is seen under (b) until the next gist of a higher level, under (e) from behind the next gist
// t of level j + 1 on. When every higher gist stands directly behind a gist one level lower, those
// are the same gist t, so the only query left out between (b) and (e) is t itself; among the
// queries there, t alone is of class j + 1, and (d) lets it see k. Hence the nesting that
// compute_reach insists on.
//
// With links: the classes of the levels see within the system prompt and within each document, so
// their intervals end with these. A link sees a gist or an anchor from then on, and no other token
// of a document at all. What the suffix sees by section 5 is what a raw token at its place in one
// long document sees, and anchors never end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gsa/gist_config.h"
#include "gsa/layout.h"

namespace unfold::gsa {

struct Reach {
  std::int64_t rows = 0;
  std::int64_t length = 0;
  int classes = 1;                       // max(1, levels), and two with links
  std::vector<std::int32_t> end;         // (rows, classes, length): exclusive end, in row positions
  std::vector<std::int8_t> query_class;  // (rows, length)

  std::int32_t at(std::int64_t row, int query_class_index, std::int64_t key) const {
    return end[static_cast<std::size_t>((row * classes + query_class_index) * length + key)];
  }
};

// Computes the reach of every key in O(rows * length * classes). config gives sinks and
// previous_chunks; the levels are the layout's. A key that no query of a class sees has its own
// position as that class's end. Padding sees itself and nothing else.
// Throws core::InternalError for a layout in which a gist of level l >= 1 does not stand directly
// behind a gist of level l - 1 of its document (insertion always puts it there), and for links
// with more than kMaxLinkedLevels levels.
Reach compute_reach(const Layout& layout, const GistConfig& config, Visibility visibility);

// What is left of causal attention where queries read the first tokens of their document and the
// last ones, their own among them.
struct KeyWindow {
  std::int64_t sinks = 0;
  std::int64_t size = 1;  // at least 1
};
// The reach of every key under a window a document, in order over all rows. Gists are tokens like
// any; padding sees itself and nothing else.
// Throws core::InternalError unless there are as many windows as documents.
Reach window_reach(const Layout& layout, std::span<const KeyWindow> windows);

}  // namespace unfold::gsa
