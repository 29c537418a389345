// config.json of a Hugging Face folder <-> DecoderConfig.
//
// Read: LlamaForCausalLM (Llama 2 and 3, SmolLM2), Qwen2ForCausalLM (2 and 2.5) and
// MistralForCausalLM, whose decoder without a sliding window is Llama's. RoPE scaling linear,
// dynamic, yarn and llama3, spelt rope_scaling or rope_parameters, with "type" or "rope_type". What
// a DecoderConfig cannot say is an error: another activation, biases elsewhere, a sliding window in
// use, quantized weights, partial rotation. Weights would be read, and mean something else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gsa/gist_config.h"
#include "models/decoder_config.h"

namespace unfold::models {

// What our own exports say besides, under "unfold": how many of the vocabulary's rows are not
// gists, and which of them the tokenizer fills. Other readers pass over it.
struct ExportedGists {
  gsa::GistConfig gist;
  std::int64_t tokenizer_size = 0;  // entries of the tokenizer without gists
};

struct HuggingFaceConfig {
  DecoderConfig decoder;  // vocab_size: without the gist rows of an export of ours
  std::optional<ExportedGists> exported;
};

// Throws core::UserError naming the file and the field.
HuggingFaceConfig hugging_face_config_from_json(std::string_view text, const std::string& file);

// Ids of the tokens that begin and end a document.
struct DocumentTokens {
  std::optional<std::int64_t> bos;
  std::int64_t eos = 0;
};

// The config.json of a model with its gist rows as ordinary vocabulary. dtype: of the weights.
std::string hugging_face_config_json(const DecoderConfig& decoder, const ExportedGists& exported,
                                     const DocumentTokens& tokens, std::string_view dtype);

}  // namespace unfold::models
