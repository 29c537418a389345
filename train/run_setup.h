// What has to be there before the first step: folder, tokenizer, shards, model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "models/decoder.h"
#include "models/formats/model_file.h"
#include "train/trainer.h"

namespace unfold::train {

// Creates RUN and its config.yaml and tokenizer.json. An existing, non-empty folder is a
// core::UserError: nothing in it is touched.
void create_run_folder(const TrainerConfig& config, const data::Tokenizer& tokenizer);
// Checks that RUN exists, for a run that resumes.
void require_run_folder(const TrainerConfig& config);

// Decoder config with the vocabulary filled in. Throws core::UserError when model.vocab_size is
// smaller than the tokenizer's.
models::ModelDescription describe_model(const TrainerConfig& config,
                                        const data::Tokenizer& tokenizer);

// Copies weights of another run's newest checkpoint into the decoder. Gist levels that the other run
// lacks keep their own rows, set to the mean of the raw rows.
void initialise_from(const std::filesystem::path& run, const models::ModelDescription& wanted,
                     models::Decoder& decoder);

}  // namespace unfold::train
