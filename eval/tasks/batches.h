// Batches of samples of like length: what is evaluated at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/decoder.h"

namespace unfold::eval {

// Positions a batch may hold, by eval.batch_positions. 0: as many as make a pass worth its while on
// the device, within a bound on the memory of their keys. A function of model and device alone, so
// that an evaluation that is continued has the same batches.
std::int64_t batch_positions(std::int64_t wanted, const models::Decoder& decoder);

// The batches of process `rank` of `world`. sizes: positions of every sample. In order of size, the
// longest first, so that too little memory is known at once; sample i of that order belongs to
// process i mod world. A batch holds at most `positions`, with every sample counted as the longest;
// a longer sample is a batch of its own.
std::vector<std::vector<std::int64_t>> make_batches(std::span<const std::int64_t> sizes,
                                                    std::int64_t positions, int rank = 0,
                                                    int world = 1);

}  // namespace unfold::eval
