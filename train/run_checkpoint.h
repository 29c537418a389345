// The training side of a checkpoint: everything besides the weights that a run needs to go on as if
// it had never stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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

// What a checkpoint holds besides tensors.
struct CheckpointContent {
  models::ModelDescription description;
  TrainerState state;
  std::int64_t optimizer_steps = 0;
  core::DType state_dtype = core::DType::float32;
  std::vector<std::string> names;  // of the optimizer's states
  std::uint64_t bytes = 0;         // of all tensors
};
CheckpointContent describe_checkpoint(const models::ModelDescription& description,
                                      const AdamW& optimizer, const TrainerState& state);

// The tensors of one state of the optimizer.
enum class StatePart { master, m, v };
core::Tensor state_tensor(const AdamW::State& state, StatePart part);
// Whole tensors, by the index of their state.
using StateTensor = std::function<core::Tensor(std::size_t state, StatePart part)>;
// Every tensor of a checkpoint in the order in which it is written.
void for_each_state_tensor(std::size_t states,
                           const std::function<void(std::size_t, StatePart)>& take);

// Writes RUN/checkpoints/step-N (N = state.step): model.h5 with the optimizer's masters, trainer.h5
// with its moments and the state. Atomic: see models/formats/checkpoint_folder.h. Asks for one
// tensor after the other, each once, in the order above.
void save_checkpoint(const std::filesystem::path& run, const CheckpointContent& content,
                     const StateTensor& tensor);
// Of an optimizer that is not sharded.
void save_checkpoint(const std::filesystem::path& run, const models::ModelDescription& description,
                     const AdamW& optimizer, const TrainerState& state);

enum class Verify { yes, no };

// Verifies the checkpoint, unless another rank has done so, then loads it into decoder and
// optimizer. A sharded optimizer takes its shares; the parameters of the decoder are whole all the
// same. Throws core::UserError for a damaged checkpoint or one of another architecture.
TrainerState load_checkpoint(const std::filesystem::path& run, std::int64_t step,
                             const models::ModelDescription& expected, models::Decoder& decoder,
                             AdamW& optimizer, Verify verify = Verify::yes);

// Step of the newest checkpoint, which is verified; -1: there is none. pass_damaged: one that is
// damaged is passed over with a warning, and set aside so that it does not count among those that
// are kept; throws core::UserError when none is whole.
std::int64_t newest_checkpoint(const std::filesystem::path& run, bool pass_damaged);

}  // namespace unfold::train
