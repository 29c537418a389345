// Weights out of a GGUF file, under the names and in the order of Hugging Face.
#pragma once

#include <filesystem>
#include <memory>

#include "models/formats/weight_source.h"

namespace unfold::models {

// Of architecture llama (query and key rows interleaved in the file) or qwen2 (in halves). The file
// is mapped, and a tensor is decoded when it is read. Throws core::UserError: what core/gguf_file.h
// and models/formats/gguf_config.h refuse, a tensor that is missing, unknown, or of another shape
// than the metadata says. A head tied to the embedding is no tensor: read("lm_head.weight") gives
// none.
std::unique_ptr<WeightSource> open_gguf_weights(const std::filesystem::path& file);

}  // namespace unfold::models
