// Selection: which chunks a suffix query unfolds (METHOD.md section 7).
//
// Every query head scores the gists and descends from the top level: the best of the candidates are
// picked, and the gists they cover are the next candidates. Only children of picked parents are
// ever scored. The gists of a query are those that top-level gists before it cover
// (gsa/chunk_table.h). The picks of the heads that share a key/value head are united.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/chunk_table.h"
#include "gsa/gist_config.h"

namespace unfold::gsa {

// How many gists a head picks a level.
enum class Budget {
  paper,  // floor(floor(floor(entries / rho) / n_rep) / c) + 1: n_rep heads times k chunks times c
          // tokens is about entries / rho
  fixed,  // SelectionConfig::chunks
  ratio,  // as paper, with SelectionConfig::ratio in the place of rho
  top_p,  // fewest gists whose softmax mass (scores / sqrt(width)) reaches SelectionConfig::top_p
};

// What answers the score: q . pivot, one pivot a gist and key/value head.
enum class Pivot {
  gist,       // the gist's own key (GSA)
  mean_pool,  // mean of the raw keys it covers
  quest,  // sum over d of max(q_d lo_d, q_d hi_d), bounds of the raw keys (Quest, Tang et al. 2024)
  random,  // a random number in [0, 1) for (query, head, gist): the control
};

// Which keys a pick makes visible, besides the raw tokens of picked chunks.
enum class Unfold { picked_gists, no_gists, all_gists };

struct SelectionConfig {
  Budget budget = Budget::paper;
  std::int64_t chunks = 8;  // Budget::fixed
  double ratio = 8;         // Budget::ratio
  double top_p = 0.9;       // Budget::top_p
  bool quarter_cap = true;  // at most a quarter of a level's gists (at least 1) are picked
  // Layers below it attend under section 5 alone: in layer 0 all gists have the same input, and so
  // nothing to select by.
  std::int64_t first_layer = 1;
  double anneal = 0;  // 0: the budget; 1: all gists; between: linearly between the counts
  Pivot pivot = Pivot::gist;
  Unfold unfold = Unfold::picked_gists;
  std::uint64_t seed = 0;  // Pivot::random
  // Nominal geometry of the gists: c, and rho = c * m_1 * ... * m_top (for_gists() fills them in).
  std::int64_t chunk = 8;
  std::int64_t rho = 8;
};

// The same selection over gists of this geometry.
SelectionConfig for_gists(SelectionConfig selection, const GistConfig& gist);

// Gists a head picks at a level of `gists` gists, before the number of candidates limits it: the
// budget, capped, annealed. entries: KV entries of the document at or before the query. mass: what
// Budget::top_p asks for, which depends on the scores; the others do not look at it.
std::int64_t pick_count(const SelectionConfig& config, std::int64_t entries, std::int64_t n_rep,
                        std::int64_t gists,
                        std::int64_t mass = std::numeric_limits<std::int64_t>::max());

// Fewest scores, greatest first, whose softmax mass (scores times scale) reaches top_p.
std::int64_t count_for_mass(std::vector<double> scores, double scale, double top_p);

// Picks of all (suffix query, key/value head) pairs: index = query * kv_heads + kv_head.
// A pick of level l is the index of a gist within its level of the document, ascending, no twice.
struct Selection {
  int levels = 0;
  std::int64_t kv_heads = 0;
  std::vector<std::int64_t> offsets;  // (queries * kv_heads * levels + 1) into picks
  std::vector<std::int32_t> picks;    // level 0 first within a pair
  std::int64_t scores_computed = 0;   // gists scored, over all queries and query heads

  std::span<const std::int32_t> of(std::int64_t query, std::int64_t kv_head, int level) const;
};

// Indices of the `count` largest values, ascending; ties go to the lower index. count is clipped.
std::vector<std::int32_t> top_indices(std::span<const double> values, std::int64_t count);
// The same into a vector that is used again and again.
void top_indices(std::span<const double> values, std::int64_t count,
                 std::vector<std::int32_t>& indices);

}  // namespace unfold::gsa
