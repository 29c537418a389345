#include "models/formats/weight_source.h"

#include "core/error.h"
#include "core/file.h"
#include "core/gguf_file.h"
#include "models/formats/gguf_weights.h"
#include "models/formats/hugging_face_folder.h"
#include "models/formats/llama2c.h"

namespace unfold::models {

// The one place that tells sources apart. A kind that is a file is known by its first bytes or its
// name; its lines go in front of the last.
std::unique_ptr<WeightSource> open_weights(const std::filesystem::path& source) {
  const core::PathKind kind = core::path_kind(source);
  core::require(kind != core::PathKind::missing, "import",
                "{}: no such file or folder: check the path", source.string());
  if (kind == core::PathKind::folder) {
    return std::make_unique<HuggingFaceFolder>(source);
  }
  if (core::is_gguf_file(source)) return open_gguf_weights(source);
  if (source.extension() == ".bin") return open_llama2c_weights(source);
  core::fail("import",
             "{}: not a model that can be read: name a folder with config.json and "
             "model.safetensors, a GGUF file, or a checkpoint of llama2.c (.bin)",
             source.string());
}

}  // namespace unfold::models
