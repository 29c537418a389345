// The sum of what ranks sent, on a GPU. Called on the stream of communication, not the device's
// own.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace unfold::core::cuda {

// out[i] = sum over p < parts, in this order, of in[p * count + i], in the accumulator dtype and
// rounded once. in and out at multiples of 16 bytes, and count elements a multiple of 16 bytes; out
// may be one of the parts. stream: cudaStream_t.
void sum_parts(DType dtype, const void* in, int parts, std::int64_t count, void* out, void* stream);

}  // namespace unfold::core::cuda
