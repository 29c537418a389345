// Weights by name, wherever they come from: safetensors, GGUF, llama2.c.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/tensor.h"
#include "models/decoder_config.h"

namespace unfold::models {

struct SourceTensor {
  std::string name;
  core::Shape shape;
  std::string type;  // as the file names it: "BF16", "Q4_1"
  std::int64_t bytes = 0;
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual const DecoderConfig& config() const = 0;               // read from the same place
  virtual const std::vector<SourceTensor>& tensors() const = 0;  // in file order
  // The tensor of a Hugging Face name ("model.layers.0.self_attn.q_proj.weight"), converted to
  // dtype (float32 or bfloat16), rows as Hugging Face has them (half-split rotary order). Throws
  // core::UserError: file, tensor and what is wrong. Undefined tensor when there is none of that
  // name.
  virtual core::Tensor read(const std::string& hugging_face_name, core::DType dtype) const = 0;
  virtual std::string describe() const = 0;  // "Hugging Face folder, 272 tensors, BF16" for --list
};

// SRC: a folder with config.json, a .gguf file, or a llama2.c .bin. Throws core::UserError.
std::unique_ptr<WeightSource> open_weights(const std::filesystem::path& source);

}  // namespace unfold::models
