#include "train/run_checkpoint.h"

#include <map>

#include "core/hdf5_tensor.h"
#include "core/kernels/elementwise.h"
#include "core/log.h"

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

void write_trainer(const std::filesystem::path& file, const CheckpointContent& content,
                   const StateTensor& tensor) {
  const hdf5::Context context = {"checkpoint", file.string(),
                                 "free some space or choose another folder"};
  hdf5::Handle handle = hdf5::create_file(context);
  const auto integer = [&](const char* name, std::int64_t value) {
    hdf5::write_attribute(handle.get(), name, value, context);
  };
  const TrainerState& state = content.state;
  integer("step", state.step);
  integer("tokens", state.tokens);
  integer("optimizer_steps", content.optimizer_steps);
  integer("loader_seed", static_cast<std::int64_t>(state.loader.seed));
  integer("loader_epoch", state.loader.epoch);
  integer("loader_shard", state.loader.shard);
  integer("loader_index", state.loader.index);
  integer("best_step", state.best ? state.best->step : -1);
  hdf5::write_attribute(handle.get(), kStateDType, std::string(core::name_of(content.state_dtype)),
                        context);
  hdf5::write_attribute(handle.get(), "best_loss", state.best ? state.best->loss : 0.0, context);
  for (std::size_t i = 0; i < content.names.size(); ++i) {
    hdf5::write_tensor(handle.get(), "m/" + content.names[i], tensor(i, StatePart::m), context);
    hdf5::write_tensor(handle.get(), "v/" + content.names[i], tensor(i, StatePart::v), context);
  }
  hdf5::finish_file(std::move(handle), context);
}

// Reads dataset `name`, of a whole parameter, into what this rank keeps of it.
void read_part(hid_t file, const std::string& name, const core::Shape& shape,
               const core::Share& share, const core::Tensor& to, const hdf5::Context& context) {
  if (to.shape() == shape) {
    hdf5::read_tensor(file, name, to, context);
    return;
  }
  const core::Tensor whole = core::Tensor::empty(shape, to.dtype());
  hdf5::read_tensor(file, name, whole, context);
  if (share.size() == 0) return;
  core::kernels::copy(whole.reshape({-1}).slice(0, share.begin, share.end).to(to.device()), to);
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
    const core::Shape& shape = parameter.parameter.shape();
    read_part(handle.get(), "m/" + parameter.name, shape, parameter.share, parameter.m, context);
    read_part(handle.get(), "v/" + parameter.name, shape, parameter.share, parameter.v, context);
  }
  optimizer.restored(integer("optimizer_steps"));
  return state;
}

}  // namespace

CheckpointContent describe_checkpoint(const models::ModelDescription& description,
                                      const AdamW& optimizer, const TrainerState& state) {
  CheckpointContent content = {description, state, optimizer.steps_done(), optimizer.state_dtype(),
                               {},          0};
  for (const AdamW::State& parameter : optimizer.states()) {
    content.names.push_back(parameter.name);
    const core::DType wide = core::accumulator_of(parameter.parameter.dtype());
    const std::size_t bytes = core::size_of(wide) + 2 * core::size_of(content.state_dtype);
    content.bytes += static_cast<std::uint64_t>(parameter.parameter.value().size()) * bytes;
  }
  return content;
}

core::Tensor state_tensor(const AdamW::State& state, StatePart part) {
  switch (part) {
    case StatePart::master:
      return state.master;
    case StatePart::m:
      return state.m;
    case StatePart::v:
      return state.v;
  }
  return {};
}

void for_each_state_tensor(std::size_t states,
                           const std::function<void(std::size_t, StatePart)>& take) {
  for (std::size_t i = 0; i < states; ++i) take(i, StatePart::master);
  for (std::size_t i = 0; i < states; ++i) {
    take(i, StatePart::m);
    take(i, StatePart::v);
  }
}

void save_checkpoint(const std::filesystem::path& run, const CheckpointContent& content,
                     const StateTensor& tensor) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < content.names.size(); ++i) index[content.names[i]] = i;
  models::write_checkpoint(
      run, content.state.step, content.bytes, [&](const std::filesystem::path& folder) {
        models::write_model(folder / models::kModelFile, content.description,
                            [&](const models::ParameterSpec& spec) {
                              return tensor(index.at(spec.name), StatePart::master);
                            });
        write_trainer(folder / models::kTrainerFile, content, tensor);
      });
}

void save_checkpoint(const std::filesystem::path& run, const models::ModelDescription& description,
                     const AdamW& optimizer, const TrainerState& state) {
  core::check(!optimizer.sharding().on, "checkpoint", "a sharded optimizer has no whole tensors");
  save_checkpoint(
      run, describe_checkpoint(description, optimizer, state),
      [&](std::size_t i, StatePart part) { return state_tensor(optimizer.states()[i], part); });
}

TrainerState load_checkpoint(const std::filesystem::path& run, std::int64_t step,
                             const models::ModelDescription& expected, models::Decoder& decoder,
                             AdamW& optimizer, Verify verify) {
  if (verify == Verify::yes) models::verify_checkpoint(run, step);
  const std::filesystem::path folder = models::checkpoint_path(run, step);
  const std::filesystem::path model = folder / models::kModelFile;
  const std::string other =
      models::first_difference(models::read_model_description(model), expected);
  core::require(other.empty(), "checkpoint",
                "{}: does not fit this config: {}: resume with the config it was made with",
                model.string(), other);
  require_state_dtype(folder / models::kTrainerFile, optimizer);
  models::read_weights(model, decoder,
                       [&](const models::Parameter& parameter, const core::Tensor& value) {
                         optimizer.set_master(parameter.spec.name, value);
                       });
  return read_trainer(folder / models::kTrainerFile, optimizer);
}

std::int64_t newest_checkpoint(const std::filesystem::path& run, bool pass_damaged) {
  const std::vector<std::int64_t> steps = models::list_checkpoints(run);
  for (std::size_t i = steps.size(); i-- > 0;) {
    try {
      models::verify_checkpoint(run, steps[i]);
      for (std::size_t newer = i + 1; newer < steps.size(); ++newer) {
        models::set_aside_checkpoint(run, steps[newer]);
      }
      return steps[i];
    } catch (const core::UserError& error) {
      if (!pass_damaged) throw;
      core::log::warning("{}", error.what());
    }
  }
  core::require(steps.empty(), "checkpoint",
                "{}: none of its {} checkpoints is whole: start anew, with another run.dir",
                run.string(), steps.size());
  return -1;
}

}  // namespace unfold::train
