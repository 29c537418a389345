// The encodings of GGUF tensors, turned into float32 or bfloat16.
//
// A row is a chain of blocks: of 32 values with a float16 scale (Q4_0, Q5_0, Q8_0), with a scale
// and a smallest value (Q4_1, Q5_1), or of 256 values in sub-blocks whose scales are quantized
// themselves (Q4_K, Q5_K, Q6_K). Layouts as ggml defines them; the arithmetic is done in float32 in
// the order of the gguf package of Python, so the values are its values bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.h"
#include "core/gguf_file.h"
#include "core/tensor.h"

namespace unfold::models {

// Decodes whole blocks. values.size() is a multiple of the values of a block, and bytes are the
// blocks for it.
void decode_gguf_blocks(core::GgufType type, std::span<const std::byte> bytes,
                        std::span<float> values);

// The whole tensor on the CPU, float32 or bfloat16 (rounded to nearest, ties to even), in its
// shape. head_width > 0: its rows are interleaved heads of that width, and come out in half-split
// order (models/formats/rotary_order.h); the first extent must then be a multiple of it.
core::Tensor read_gguf_tensor(const core::GgufTensor& tensor, core::DType dtype,
                              std::int64_t head_width = 0);

}  // namespace unfold::models
