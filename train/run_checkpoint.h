// The training side of a checkpoint: everything besides the weights that a run needs to go on as if
// it had never stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "data/batch_source.h"
#include "models/formats/checkpoint_folder.h"
#include "models/formats/model_file.h"
#include "train/optimizer.h"

namespace unfold::train {

struct TrainerState {
  std::int64_t step = 0;    // optimizer steps done
  std::int64_t tokens = 0;  // valid targets trained on
  data::LoaderState loader;
  std::optional<models::BestCheckpoint> best;
};

// Writes RUN/checkpoints/step-N (N = state.step): model.h5 with the optimizer's masters, trainer.h5
// with its moments and the state. Atomic: see models/formats/checkpoint_folder.h.
void save_checkpoint(const std::filesystem::path& run, const models::Decoder& decoder,
                     const models::ModelDescription& description, const AdamW& optimizer,
                     const TrainerState& state);

// Verifies the checkpoint, then loads it into decoder and optimizer. Throws core::UserError for a
// damaged checkpoint or one of another architecture.
TrainerState load_checkpoint(const std::filesystem::path& run, std::int64_t step,
                             const models::ModelDescription& expected, models::Decoder& decoder,
                             AdamW& optimizer);

}  // namespace unfold::train
