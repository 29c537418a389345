#include "eval/loaded_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/text_format.h"
#include "models/formats/checkpoint_folder.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "run";

// A run keeps every newest few steps: the last ones are those worth naming.
std::string list_steps(const std::vector<std::int64_t>& steps) {
  constexpr std::size_t kMost = 8;
  const auto first = steps.end() - static_cast<std::ptrdiff_t>(std::min(steps.size(), kMost));
  return fmt::format("{}{}", first == steps.begin() ? "" : "..., ",
                     core::join(std::span(first, steps.end()), ", "));
}

std::int64_t step_from(std::string_view which) {
  std::int64_t step = -1;
  const auto [rest, status] = std::from_chars(which.data(), which.data() + which.size(), step);
  core::require(status == std::errc() && rest == which.data() + which.size() && step >= 0, kTag,
                "no checkpoint is called '{}': choose last, best, or the number of a step", which);
  return step;
}

std::shared_ptr<const data::Tokenizer> load_run_tokenizer(const fs::path& folder,
                                                          const std::string& fingerprint) {
  const fs::path file = folder / "tokenizer.json";
  std::error_code ignored;
  const bool stored = fs::exists(file, ignored);
  auto tokenizer = data::load_tokenizer(stored ? file.string() : "byte");
  const bool same = tokenizer->fingerprint() == fingerprint;
  core::require(same || stored, kTag,
                "{}: missing, and the model was not trained on bytes: put the tokenizer it was "
                "trained with there",
                file.string());
  core::require(same, kTag, "{}: not the tokenizer the model was trained with: put that one back",
                file.string());
  return tokenizer;
}

}  // namespace

void require_run(const fs::path& folder) {
  const core::PathKind kind = core::path_kind(folder);
  core::require(kind != core::PathKind::missing, kTag,
                "{}: no such run folder: check the path, or train first (unfold train)",
                folder.string());
  core::require(kind == core::PathKind::folder, kTag, "{}: is a file, expected the folder of a run",
                folder.string());
  core::require(core::path_kind(folder / "config.yaml") == core::PathKind::file, kTag,
                "{}: not a run: it has no config.yaml: name the folder given as run.dir",
                folder.string());
}

std::int64_t choose_checkpoint(const fs::path& folder, std::string_view which) {
  require_run(folder);
  const bool named = which == "last" || which == "best";
  const std::int64_t wanted = named ? -1 : step_from(which);
  const std::vector<std::int64_t> steps = models::list_checkpoints(folder);
  core::require(!steps.empty(), kTag,
                "{}: has no checkpoint yet: train until it has one (see checkpoint.every)",
                folder.string());
  if (which == "last") return steps.back();
  std::int64_t step = wanted;
  if (which == "best") {
    const std::optional<models::BestCheckpoint> best = models::read_best(folder);
    core::require(best.has_value(), kTag,
                  "{}: no checkpoint is the best, because there was no validation (data.val, "
                  "train.val_every): use the last one",
                  folder.string());
    step = best->step;
  }
  core::require(std::binary_search(steps.begin(), steps.end(), step), kTag,
                "{}: no checkpoint of step {}: there are {}", folder.string(), step,
                list_steps(steps));
  return step;
}

LoadedRun load_run(const fs::path& folder, std::string_view which, core::DType dtype,
                   core::Device device) {
  const std::int64_t step = choose_checkpoint(folder, which);
  models::verify_checkpoint(folder, step);
  const fs::path file = models::checkpoint_path(folder, step) / models::kModelFile;
  models::ModelDescription description = models::read_model_description(file);
  auto tokenizer = load_run_tokenizer(folder, description.tokenizer_fingerprint);
  core::require(tokenizer->vocab_size() <= description.decoder.vocab_size, kTag,
                "{}: a vocabulary of {}, the tokenizer has {} entries: use another checkpoint",
                file.string(), description.decoder.vocab_size, tokenizer->vocab_size());
  models::Decoder decoder(description.decoder, description.gist.levels(), dtype, device,
                          std::nullopt, description.gist.links);
  models::read_weights(file, decoder);
  return {folder, step, std::move(description), std::move(tokenizer), std::move(decoder)};
}

}  // namespace unfold::eval
