#include "train/run_checkpoint.h"

#include <map>

#include "core/hdf5_tensor.h"
#include "core/kernels/elementwise.h"

namespace unfold::train {
namespace {

namespace hdf5 = core::hdf5;

constexpr const char* kStateDType = "state_dtype";

// Before anything is loaded: the moments of the file are the optimizer's.
void require_state_dtype(const std::filesystem::path& file, const AdamW& optimizer) {
  const hdf5::Context context = {"checkpoint", file.string(), "resume from another checkpoint"};
  const hdf5::Handle handle = hdf5::open_file(context);
  // Files without the attribute are from before there was a choice.
  if (!hdf5::has_attribute(handle.get(), kStateDType)) return;
  const std::string stored = hdf5::read_text_attribute(handle.get(), kStateDType, context);
  const std::string_view wanted = core::name_of(optimizer.state_dtype());
  core::require(stored == wanted, "checkpoint",
                "{}: its optimizer states are {}, those of this config {}: resume with the "
                "optimizer.state_dtype it was made with",
                file.string(), stored, wanted);
}

void write_trainer(const std::filesystem::path& file, const AdamW& optimizer,
                   const TrainerState& state) {
  const hdf5::Context context = {"checkpoint", file.string(),
                                 "free some space or choose another folder"};
  hdf5::Handle handle = hdf5::create_file(context);
  const auto integer = [&](const char* name, std::int64_t value) {
    hdf5::write_attribute(handle.get(), name, value, context);
  };
  integer("step", state.step);
  integer("tokens", state.tokens);
  integer("optimizer_steps", optimizer.steps_done());
  integer("loader_seed", static_cast<std::int64_t>(state.loader.seed));
  integer("loader_epoch", state.loader.epoch);
  integer("loader_shard", state.loader.shard);
  integer("loader_index", state.loader.index);
  integer("best_step", state.best ? state.best->step : -1);
  hdf5::write_attribute(handle.get(), kStateDType,
                        std::string(core::name_of(optimizer.state_dtype())), context);
  hdf5::write_attribute(handle.get(), "best_loss", state.best ? state.best->loss : 0.0, context);
  for (const AdamW::State& parameter : optimizer.states()) {
    hdf5::write_tensor(handle.get(), "m/" + parameter.name, parameter.m, context);
    hdf5::write_tensor(handle.get(), "v/" + parameter.name, parameter.v, context);
  }
  hdf5::finish_file(std::move(handle), context);
}

TrainerState read_trainer(const std::filesystem::path& file, AdamW& optimizer) {
  const hdf5::Context context = {"checkpoint", file.string(), "resume from another checkpoint"};
  const hdf5::Handle handle = hdf5::open_file(context);
  const auto integer = [&](const char* name) {
    return hdf5::read_integer_attribute(handle.get(), name, context);
  };
  TrainerState state;
  state.step = integer("step");
  state.tokens = integer("tokens");
  state.loader = {static_cast<std::uint64_t>(integer("loader_seed")), integer("loader_epoch"),
                  integer("loader_shard"), integer("loader_index")};
  if (const std::int64_t best = integer("best_step"); best >= 0) {
    state.best = {best, hdf5::read_real_attribute(handle.get(), "best_loss", context)};
  }
  for (const AdamW::State& parameter : optimizer.states()) {
    hdf5::read_tensor(handle.get(), "m/" + parameter.name, parameter.m, context);
    hdf5::read_tensor(handle.get(), "v/" + parameter.name, parameter.v, context);
  }
  optimizer.restored(integer("optimizer_steps"));
  return state;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& run, const models::Decoder& decoder,
                     const models::ModelDescription& description, const AdamW& optimizer,
                     const TrainerState& state) {
  std::map<std::string, core::Tensor> masters;
  std::uint64_t bytes = 0;
  for (const AdamW::State& parameter : optimizer.states()) {
    masters[parameter.name] = parameter.master;
    bytes += parameter.master.bytes() + parameter.m.bytes() + parameter.v.bytes();
  }
  models::write_checkpoint(run, state.step, bytes, [&](const std::filesystem::path& folder) {
    models::write_model(folder / models::kModelFile, decoder, description,
                        [&](const models::Parameter& p) { return masters.at(p.spec.name); });
    write_trainer(folder / models::kTrainerFile, optimizer, state);
  });
}

TrainerState load_checkpoint(const std::filesystem::path& run, std::int64_t step,
                             const models::ModelDescription& expected, models::Decoder& decoder,
                             AdamW& optimizer) {
  models::verify_checkpoint(run, step);
  const std::filesystem::path folder = models::checkpoint_path(run, step);
  const std::filesystem::path model = folder / models::kModelFile;
  const std::string other =
      models::first_difference(models::read_model_description(model), expected);
  core::require(other.empty(), "checkpoint",
                "{}: does not fit this config: {}: resume with the config it was made with",
                model.string(), other);
  require_state_dtype(folder / models::kTrainerFile, optimizer);
  std::map<std::string, core::Tensor> masters;
  for (const AdamW::State& state : optimizer.states()) masters[state.name] = state.master;
  models::read_weights(model, decoder,
                       [&](const models::Parameter& parameter, const core::Tensor& value) {
                         core::kernels::copy(value.to(decoder.device()),
                                             masters.at(parameter.spec.name));
                       });
  return read_trainer(folder / models::kTrainerFile, optimizer);
}

}  // namespace unfold::train
