// The dtype that gradients are kept in between the backward pass and the update.
#pragma once

#include "models/decoder.h"
#include "train/train_config.h"

namespace unfold::train {

// Of the matrices of the blocks, where train.gradient_dtype asks for bfloat16 and each of them gets
// its gradient from one backward pass of a step, so that it is rounded once; else float32 (float64
// with float64), in which passes add up.
core::DType block_gradient_dtype(const TrainConfig& config, int world_size);

// Makes the leaves of the decoder collect their gradients so. Embedding, head, norms and biases,
// whose gradients are sums over many rows, always collect in float32. Before gradients are there,
// and before train/data_parallel.h looks at them.
void set_gradient_dtypes(const models::Decoder& decoder, const TrainConfig& config, int world_size);

}  // namespace unfold::train
