#include "train/run_setup.h"

#include <algorithm>

#include "core/file.h"
#include "core/kernels/elementwise.h"
#include "core/log.h"
#include "data/data_source.h"
#include "data/loader.h"
#include "models/formats/checkpoint_folder.h"
#include "models/initialise.h"

namespace unfold::train {

namespace fs = std::filesystem;
using core::Tensor;

namespace {

// What an imported run has beside its weights: how to chat with it, and when it ends a turn.
constexpr const char* kHeirlooms[] = {"chat_template.txt", "generation_config.json"};

}  // namespace

void require_free_run_folder(const TrainerConfig& config) {
  const fs::path run = config.run.dir;
  std::error_code ignored;
  core::require(!fs::exists(run, ignored) || fs::is_directory(run, ignored), "run",
                "{}: not a folder: choose another run.dir", run.string());
  core::require(!fs::exists(run, ignored) || fs::is_empty(run, ignored), "run",
                "{}: exists already: go on with --resume, remove it, or choose another run.dir",
                run.string());
}

NewRunFolder::NewRunFolder(const TrainerConfig& config, const data::Tokenizer& tokenizer)
    : run_(fs::path(config.run.dir).lexically_normal()) {
  require_free_run_folder(config);
  std::error_code ignored;
  for (fs::path folder = run_; !folder.empty() && !fs::exists(folder, ignored);
       folder = folder.parent_path()) {
    if (folder.has_filename()) made_.push_back(folder);
  }
  try {
    core::create_folder(run_);
    if (tokenizer.kind() != "byte") tokenizer.save(run_ / "tokenizer.json");
    for (const char* name : kHeirlooms) inherit(config.train.init_from, name);
    core::write_file_atomically(run_ / "config.yaml", config.resolved_yaml);
  } catch (...) {
    remove();
    throw;
  }
}

void NewRunFolder::inherit(const fs::path& from, const char* name) const {
  std::error_code ignored;
  if (from.empty() || !fs::is_regular_file(from / name, ignored)) return;
  core::write_file_atomically(run_ / name, core::read_text_file(from / name));
}

NewRunFolder::~NewRunFolder() {
  if (!keep_) remove();
}

void NewRunFolder::remove() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run_, ignored)) {  // it was empty before
    fs::remove_all(entry.path(), ignored);
  }
  for (const fs::path& folder : made_) fs::remove(folder, ignored);
}

void require_run_folder(const TrainerConfig& config) {
  const fs::path run = config.run.dir;
  core::require(fs::is_regular_file(run / "config.yaml"), "run",
                "{}: no run to resume there (it has no config.yaml): start it without --resume",
                run.string());
}

models::ModelDescription describe_model(const TrainerConfig& config,
                                        const data::Tokenizer& tokenizer) {
  models::ModelDescription description = {config.model, config.gist, tokenizer.fingerprint()};
  std::int64_t& vocabulary = description.decoder.vocab_size;
  if (vocabulary == 0) vocabulary = tokenizer.vocab_size();
  core::require(
      vocabulary >= tokenizer.vocab_size(), "config",
      "model.vocab_size is {}, the tokenizer {} has {} entries: set it to 0 to take those",
      vocabulary, config.data.tokenizer, tokenizer.vocab_size());
  return description;
}

void require_training_data(const TrainerConfig& config) {
  core::require(!config.data.train.empty(), "config", "data.train is empty: name {}",
                config.data.format == data::DataFormat::sft
                    ? "JSONL files of records, or folders of them"
                    : "shards (.h5), or folders of them, made by `unfold data tokenize`");
}

std::unique_ptr<data::BatchSource> open_training_rows(const TrainerConfig& config,
                                                      const data::Tokenizer& tokenizer,
                                                      const data::RowFormat& format,
                                                      const data::LoaderState& start, bool alike) {
  require_training_data(config);
  return std::make_unique<data::Loader>(
      data::open_rows(config.data, config.data.train, tokenizer, format), start,
      data::LoaderOptions{.prefetch = alike ? config.data.prefetch : 0,
                          .shuffle = config.data.shuffle});
}

namespace {

// New levels: the mean of the raw vocabulary's rows, which come first.
void fill_new_gist_rows(const Tensor& embedding, std::int64_t raw, std::int64_t missing) {
  const Tensor rows = Tensor::empty({raw + missing, embedding.dim(1)}, core::DType::float64);
  core::kernels::copy(embedding.slice(0, 0, raw).to(core::Device{}), rows.slice(0, 0, raw));
  models::fill_gist_rows(rows, missing);
  core::kernels::copy(
      rows.slice(0, raw, raw + missing).to(embedding.dtype()).to(embedding.device()),
      embedding.slice(0, embedding.dim(0) - missing, embedding.dim(0)));
}

}  // namespace

void initialise_from(const fs::path& run, const models::ModelDescription& wanted,
                     models::Decoder& decoder, AdamW& optimizer) {
  const std::vector<std::int64_t> steps = models::list_checkpoints(run);
  core::require(!steps.empty(), "train", "train.init_from: {}: no checkpoint there", run.string());
  models::verify_checkpoint(run, steps.back());
  const fs::path file = models::checkpoint_path(run, steps.back()) / models::kModelFile;
  const models::ModelDescription stored = models::read_model_description(file);
  models::ModelDescription same_levels = wanted;
  same_levels.gist = stored.gist;
  const std::string other = models::first_difference(stored, same_levels);
  core::require(other.empty(), "train", "train.init_from: {}: another architecture: {}",
                file.string(), other);
  core::require(
      stored.gist.links == 0 || stored.gist.levels() == decoder.gist_levels(), "train",
      "train.init_from: {}: its links stand behind gists of {} levels, gist.chunks has {}: "
      "give as many",
      file.string(), stored.gist.levels(), decoder.gist_levels());
  if (stored.gist.levels() > decoder.gist_levels()) {
    core::log::warning(
        "train.init_from: {} has gists of {} levels, gist.chunks has {}: the upper ones are left "
        "out",
        file.string(), stored.gist.levels(), decoder.gist_levels());
  }
  // In the dtype of the masters: bfloat16 weights that are the masters rounded move with them, but
  // masters that begin as rounded weights have to get off the middle of a rounding step first.
  const core::DType wide = core::accumulator_of(decoder.dtype());
  models::Decoder source(stored.decoder, stored.gist.levels(), wide, decoder.device(), std::nullopt,
                         stored.gist.links);
  models::read_weights(file, source);
  for (const models::Parameter& parameter : decoder.parameters()) {
    if (!parameter.spec.tied_to.empty()) continue;
    const Tensor& from = source.parameter(parameter.spec.name).variable.value();
    const Tensor& to = parameter.variable.value();
    const Tensor value = Tensor::empty(to.shape(), wide, to.device());
    core::kernels::copy(to, value);
    const std::int64_t rows = std::min(from.dim(0), to.dim(0));
    core::kernels::copy(from.slice(0, 0, rows), value.slice(0, 0, rows));
    const std::int64_t missing = parameter.spec.gist_rows - stored.gist.rows();
    if (parameter.spec.gist_rows > 0 && missing > 0) {
      fill_new_gist_rows(value, wanted.decoder.vocab_size, missing);
    }
    core::kernels::copy(value, to);
    optimizer.set_master(parameter.spec.name, value);
  }
}

}  // namespace unfold::train
