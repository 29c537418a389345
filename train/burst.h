// When to begin to sum gradients, where the links between GPUs are fast: late, and all in one go.
//
// A link that carries a bucket now and then is awake all the time, and a GPU at its limit of power
// computes more slowly for as long as it is. So the first buckets wait, until what they and the
// others take is just about what the rest of the backward pass hides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace unfold::train {

struct BucketWork {
  std::int64_t weights = 0;  // elements of matrices that positions are multiplied with
  std::size_t bytes = 0;     // what is sent
};

// How many of the buckets, in the order in which they are complete, have to be complete before the
// first sum is started; 0: start at once. positions: of the backward pass, on one rank.
std::size_t held_back(const std::vector<BucketWork>& buckets, std::int64_t positions,
                      int world_size);

}  // namespace unfold::train
