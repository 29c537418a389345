// The results as a table for the terminal: a line a task, a column a method.
#pragma once

#include <cstdio>
#include <string>

#include "eval/results.h"

namespace unfold::eval {

//   task                full                  gist
//                       1x, 512 keys          8x, 97.3 keys
//   ------------------  --------------------  --------------------
//   val bits per byte   1.921 [1.890, 1.952]* 1.978 [1.946, 2.010]
//
// "*" marks the best of a line; keys: mean keys read per query over the column's tasks.
std::string results_table(const Results& results);

void print_results_table(const Results& results, std::FILE* stream = stdout);

}  // namespace unfold::eval
