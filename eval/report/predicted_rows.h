// Result rows from predictions: what results.json leaves out.
#pragma once

#include <cstddef>
#include <vector>

#include "eval/report/predictions.h"
#include "eval/results.h"

namespace unfold::eval {

// Gives rows without an interval the bootstrap interval of their predictions, and adds a row for
// every task, method and ratio with scored predictions and no row (an evaluation under way, or
// scored afterwards): the mean score, which is `metric` of the file or "score". A task whose rows
// stand under names of its parts ("perplexity_by_context.1024") gets none. Returns how many rows it
// added.
std::size_t complete_rows(const Predictions& predictions, std::vector<ResultRow>& rows);

}  // namespace unfold::eval
