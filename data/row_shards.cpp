#include "data/row_shards.h"

#include <numeric>
#include <span>

namespace unfold::data {

std::vector<std::int64_t> make_order(std::int64_t n, std::optional<CounterRandom> shuffle) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  if (shuffle) shuffle->shuffle(std::span(order));
  return order;
}

}  // namespace unfold::data
