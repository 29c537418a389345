// A batch with what a pass over it needs besides the model: made on the host before its step, so
// that on a GPU nothing of it stands between two launches.
#pragma once

#include <cstdint>
#include <memory>

#include "core/tensor.h"
#include "data/batch.h"
#include "gsa/block_map.h"

namespace unfold::train {

struct ReadyBatch {
  data::Batch batch;
  std::int64_t positions = 0;  // RoPE positions are below it
  // Which keys the queries visit; null where no pass of the objective asks (full: only two_branch
  // of cpt does; sft attends over its selections).
  std::shared_ptr<const gsa::BlockMap> gist;
  std::shared_ptr<const gsa::BlockMap> full;
  // (positions of the batch) int32, on a GPU already there. Elsewhere undefined: the pass makes
  // them, and they go with it.
  core::Tensor tokens;
  core::Tensor rope;
};

}  // namespace unfold::train
