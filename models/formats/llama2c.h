// llama2.c checkpoints (.bin): small Llama models in one flat file of float32.
//
// The format without a magic number ("legacy", as in the published stories models): seven int32
// (width, FFN, layers, heads, key heads, vocabulary, context; a negative vocabulary says that the
// head is a matrix of its own), then the tensors, each of all layers one behind the other. Two
// tables of rotary angles lie before the head and are skipped. The decoder is Llama's with
// theta 10000 and epsilon 1e-5; query and key rows are interleaved in the file.
#pragma once

#include <filesystem>
#include <memory>

#include "models/formats/weight_source.h"

namespace unfold::models {

// The file is mapped. Tensors are listed by their Hugging Face names: the file has none. Throws
// core::UserError: a header out of range, a size other than the header says.
std::unique_ptr<WeightSource> open_llama2c_weights(const std::filesystem::path& file);

}  // namespace unfold::models
