#include "eval/predictions/made_of.h"

#include <fmt/core.h>

#include "core/file.h"
#include "data/sha256.h"
#include "models/formats/checkpoint_folder.h"

namespace unfold::eval {
namespace {

// To be raised when the same settings give other predictions, or lines of another form.
constexpr int kFormat = 2;

// Names every file of the checkpoint with its size and checksum.
std::string checkpoint_digest(const LoadedRun& run) {
  data::Sha256 sha;
  sha.update(core::read_text_file(models::checkpoint_path(run.folder, run.step) / "manifest.json"));
  return sha.hex_digest();
}

std::string gists_line(const gsa::GistConfig& gist) {
  std::string chunks;
  for (const std::int64_t chunk : gist.chunks) chunks += fmt::format(" {}", chunk);
  return fmt::format("gists of{}, {} sinks, {} previous chunks, rule {}, {} links\n", chunks,
                     gist.sinks, gist.previous_chunks, static_cast<int>(gist.rule), gist.links);
}

std::string method_line(const Method& method, const gsa::GistConfig& gist) {
  const gsa::PolicyConfig& policy = method.policy;
  std::string line = fmt::format("method {} at ratio {}, first layer {}, window {}, pooling {}",
                                 method.name, method.ratio(gist), policy.first_layer,
                                 policy.observation_window, policy.pooling);
  if (!method.visibility) {
    const gsa::SelectionConfig& own = policy.selection;
    line += fmt::format(
        "; selection: budget {} of {} chunks, ratio {}, top_p {}, cap {}, first layer {}, anneal "
        "{}, pivot {}, unfold {}, seed {}",
        static_cast<int>(own.budget), own.chunks, own.ratio, own.top_p, own.quarter_cap,
        own.first_layer, own.anneal, static_cast<int>(own.pivot), static_cast<int>(own.unfold),
        own.seed);
  }
  return line + "\n";
}

}  // namespace

std::string made_of(const LoadedRun& run, const Method& method, const gsa::GistConfig& gist,
                    std::string_view version, std::string_view task) {
  const models::Decoder& decoder = run.decoder;
  return fmt::format("predictions of format {}\nUnfold {}\n", kFormat, version) +
         fmt::format("checkpoint of step {}, {}\n", run.step, checkpoint_digest(run)) +
         fmt::format("computed in {} on {}\n", core::name_of(decoder.dtype()),
                     decoder.device().is_cpu() ? "cpu" : "cuda") +
         gists_line(gist) + method_line(method, gist) + std::string(task);
}

}  // namespace unfold::eval
