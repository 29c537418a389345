// The decoder that the metadata of a GGUF file describes.
#pragma once

#include "core/gguf_file.h"
#include "models/decoder_config.h"

namespace unfold::models {

// Architectures llama and qwen2. Llama files of Mistral and SmolLM2 are of the first. Tied heads,
// QKV biases and the vocabulary follow from the tensors. Throws core::UserError naming the key that
// is missing, out of range, or asks for something the decoder does not compute (experts, sliding
// windows, partial rotation, scaled logits, a file in several parts).
DecoderConfig gguf_decoder_config(const core::GgufFile& file);

}  // namespace unfold::models
