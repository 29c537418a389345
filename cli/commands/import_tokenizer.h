// The tokenizer that stands beside imported weights.
#pragma once

#include <filesystem>

#include "models/formats/weight_source.h"

namespace unfold::cli {

// Writes tokenizer.json into the folder of a run, and what goes with it where the source has it:
// chat_template.txt, generation_config.json. Throws core::UserError naming the file.
void import_tokenizer(const std::filesystem::path& source, const models::WeightSource& weights,
                      const std::filesystem::path& run);

}  // namespace unfold::cli
