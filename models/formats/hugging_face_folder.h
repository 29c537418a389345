// A folder as Hugging Face has it, config.json and .safetensors, as a source of weights.
#pragma once

#include <filesystem>
#include <memory>

#include "models/formats/hugging_face_config.h"
#include "models/formats/safetensors.h"
#include "models/formats/weight_source.h"

namespace unfold::models {

class HuggingFaceFolder : public WeightSource {
 public:
  // Throws core::UserError naming the file: missing, damaged, of an architecture we do not have.
  explicit HuggingFaceFolder(const std::filesystem::path& folder);

  const DecoderConfig& config() const override { return config_.decoder; }
  const std::vector<SourceTensor>& tensors() const override { return tensors_; }
  core::Tensor read(const std::string& hugging_face_name, core::DType dtype) const override;
  std::string describe() const override;

  // What an export of ours says besides (models/formats/hugging_face_config.h).
  const std::optional<ExportedGists>& exported() const { return config_.exported; }

 private:
  HuggingFaceConfig config_;
  std::vector<SafetensorsFile> files_;
  std::vector<SourceTensor> tensors_;
};

}  // namespace unfold::models
