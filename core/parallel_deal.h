// Parallel loops over work that grows with the index, such as causal attention: pieces in a row
// (core/parallel.h) would leave the first threads waiting for the last.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/parallel.h"

namespace unfold::core {

// Deals [0, count) out to threads in turn: each calls body(first, step) once and has the indices
// first, first + step, ... below count. As in parallel_for, indices are computed independently, and
// the first exception is rethrown.
template <typename Body>
void parallel_deal(std::int64_t count, Body&& body) {
  const std::int64_t hands = std::min<std::int64_t>(count, thread_count());
  parallel_for(hands, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t hand = begin; hand < end; ++hand) body(hand, hands);
  });
}

}  // namespace unfold::core
