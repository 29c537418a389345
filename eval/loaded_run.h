// A trained run, opened for use: one of its checkpoints with model and tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "core/device.h"
#include "core/dtype.h"
#include "data/tokenizer/tokenizer.h"
#include "models/decoder.h"
#include "models/formats/model_file.h"

namespace unfold::eval {

struct LoadedRun {
  std::filesystem::path folder;
  std::int64_t step = 0;  // of the checkpoint
  models::ModelDescription description;
  std::shared_ptr<const data::Tokenizer> tokenizer;
  models::Decoder decoder;
};

// Checks that the folder is that of a run. Throws core::UserError: missing, a file, no config.yaml.
void require_run(const std::filesystem::path& folder);

// The step that `which` means: "last", "best" (lowest validation loss) or a step such as "300".
// Throws core::UserError when the run has no such checkpoint.
std::int64_t choose_checkpoint(const std::filesystem::path& folder, std::string_view which);

// Opens a checkpoint: every file is verified against the manifest, then the model is built in
// `dtype` and the tokenizer loaded (RUN/tokenizer.json, or bytes when there is none).
// Throws core::UserError that names the path: no run, no such checkpoint, a damaged file, a
// tokenizer that is not the one the model was trained with.
LoadedRun load_run(const std::filesystem::path& folder, std::string_view which, core::DType dtype,
                   core::Device device = {});

}  // namespace unfold::eval
