// A model as a Hugging Face folder: config.json and model.safetensors. Gist and link rows become
// ordinary vocabulary behind the raw one, so that any reader of such folders opens it.
#pragma once

#include <filesystem>

#include "core/dtype.h"
#include "models/formats/hugging_face_config.h"
#include "models/formats/model_file.h"
#include "models/formats/safetensors.h"

namespace unfold::models {

struct ExportOptions {
  core::DType dtype = core::DType::float32;  // float32 (every bit of it), or bfloat16
  std::uint64_t shard_bytes = kSafetensorsShard;
  std::int64_t tokenizer_size = 0;  // entries without gists
  DocumentTokens tokens;
};

// model_file: model.h5. Files are made in an existing folder, which the caller publishes as a
// whole. One parameter is in memory at a time. Throws core::UserError: a damaged model, a full
// disk.
void export_hugging_face(const std::filesystem::path& model_file,
                         const std::filesystem::path& folder, const ExportOptions& options);

}  // namespace unfold::models
