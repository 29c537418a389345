// What has to be there before the first step: folder, tokenizer, shards, model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/batch_source.h"
#include "data/row_format.h"
#include "data/tokenizer/tokenizer.h"
#include "models/decoder.h"
#include "models/formats/model_file.h"
#include "train/optimizer.h"
#include "train/trainer.h"

namespace unfold::train {

// A new run: RUN must not exist, or be an empty folder. Throws core::UserError otherwise.
void require_free_run_folder(const TrainerConfig& config);
// A run that resumes: RUN must hold a run. Throws core::UserError otherwise.
void require_run_folder(const TrainerConfig& config);

// The folder of a new run with its tokenizer.json and config.yaml, the latter last: it marks a run.
// From the run of train.init_from it takes chat template and generation config, if it has them.
// Unless keep() is called, the destructor removes what the constructor made, so that a start that
// fails leaves no traces.
class NewRunFolder {
 public:
  // Throws core::UserError: not free (see above), no permission, a full disk.
  NewRunFolder(const TrainerConfig& config, const data::Tokenizer& tokenizer);
  ~NewRunFolder();
  NewRunFolder(const NewRunFolder&) = delete;
  NewRunFolder& operator=(const NewRunFolder&) = delete;

  void keep() { keep_ = true; }

 private:
  void inherit(const std::filesystem::path& from, const char* name) const;
  void remove() const;

  std::filesystem::path run_;
  std::vector<std::filesystem::path> made_;  // folders, innermost first
  bool keep_ = false;
};

// Decoder config with the vocabulary filled in. Throws core::UserError when model.vocab_size is
// smaller than the tokenizer's.
models::ModelDescription describe_model(const TrainerConfig& config,
                                        const data::Tokenizer& tokenizer);

// Throws core::UserError when the config names no data to train on.
void require_training_data(const TrainerConfig& config);

// The rows that a run trains on, in its order, from `start` on; format: made for this tokenizer.
// alike: they will be asked for in batches of one size; else nothing is prepared ahead.
// Throws core::UserError: data.train is empty, or cannot be read.
std::unique_ptr<data::BatchSource> open_training_rows(const TrainerConfig& config,
                                                      const data::Tokenizer& tokenizer,
                                                      const data::RowFormat& format,
                                                      const data::LoaderState& start,
                                                      bool alike = true);

// Copies weights of another run's newest checkpoint into the decoder, and as they are stored, in
// float32, into the optimizer's masters. Gist levels that the other
// run lacks keep their own rows, set to the mean of the raw rows; those it has beyond are left out,
// with a warning.
void initialise_from(const std::filesystem::path& run, const models::ModelDescription& wanted,
                     models::Decoder& decoder, AdamW& optimizer);

}  // namespace unfold::train
