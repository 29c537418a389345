#include "models/formats/hugging_face_folder.h"

#include <fmt/core.h>

#include <set>

#include "core/file.h"
#include "core/text_format.h"

namespace unfold::models {

namespace fs = std::filesystem;

HuggingFaceFolder::HuggingFaceFolder(const fs::path& folder) {
  const fs::path config = folder / "config.json";
  constexpr std::uint64_t kLargestConfig = std::uint64_t{4} << 20;
  config_ =
      hugging_face_config_from_json(core::read_text_file(config, kLargestConfig), config.string());
  files_ = open_safetensors_folder(folder);
  for (const SafetensorsFile& file : files_) {
    for (const SafetensorsEntry& entry : file.entries()) {
      tensors_.push_back(
          {entry.name, entry.shape, entry.type, static_cast<std::int64_t>(entry.size)});
    }
  }
}

core::Tensor HuggingFaceFolder::read(const std::string& hugging_face_name,
                                     core::DType dtype) const {
  for (const SafetensorsFile& file : files_) {
    if (const SafetensorsEntry* entry = file.find(hugging_face_name)) {
      return file.read(*entry, dtype);
    }
  }
  return {};
}

std::string HuggingFaceFolder::describe() const {
  std::set<std::string> types;
  for (const SourceTensor& tensor : tensors_) types.insert(tensor.type);
  return fmt::format("Hugging Face folder, {} tensors in {} file{}, {}", tensors_.size(),
                     files_.size(), files_.size() == 1 ? "" : "s", core::join(types, " and "));
}

}  // namespace unfold::models
