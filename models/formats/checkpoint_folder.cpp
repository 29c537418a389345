#include "models/formats/checkpoint_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/checksum.h"
#include "core/error.h"
#include "core/file.h"

namespace unfold::models {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kManifest = "manifest.json";
constexpr const char* kBestFile = "best.json";
constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kWriting = ".writing";    // ".step-N.writing": not finished yet
constexpr std::string_view kRemoving = ".removing";  // ".step-N.removing": no longer whole
constexpr std::string_view kDamaged = ".damaged";    // "step-N.damaged": set aside
constexpr std::uint64_t kSpareBytes = std::uint64_t{256} << 10;  // file headers and the manifest

fs::path folder_of(const fs::path& run) {
  return run / "checkpoints";
}

// N of "step-N".
std::optional<std::int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = -1;
  const char* end = name.data() + name.size();
  const auto [rest, status] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (status != std::errc() || rest != end || step < 0) return std::nullopt;
  if (name != fmt::format("{}{}", kPrefix, step)) return std::nullopt;  // leading zeros
  return step;
}

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

fs::path hidden_path(const fs::path& checkpoint, std::string_view suffix) {
  fs::path hidden = checkpoint;
  return hidden.replace_filename(fmt::format(".{}{}", checkpoint.filename().string(), suffix));
}

// A killed removal must not leave something that looks like a checkpoint: rename, then remove.
void remove_checkpoint(const fs::path& checkpoint) {
  const fs::path removing = hidden_path(checkpoint, kRemoving);
  std::error_code error;
  fs::remove_all(removing, error);
  fs::rename(checkpoint, removing, error);
  if (!error) fs::remove_all(removing, error);
}

bool is_leftover(const std::string& name) {
  return name.starts_with('.') && (name.ends_with(kWriting) || name.ends_with(kRemoving));
}

std::string manifest_text(std::int64_t step, const Json& files) {
  return Json{{"step", step}, {"files", files}}.dump(1) + "\n";
}

bool is_file_entry(const Json& entry) {
  return entry.is_object() && entry.size() == 2 && entry.contains("bytes") &&
         entry["bytes"].is_number_unsigned() && entry.contains("crc32c") &&
         entry["crc32c"].is_number_unsigned();
}

constexpr const char* kAdvice = "remove the folder to go on from the checkpoint before";

// The files of a manifest. The manifest has no checksum of its own: instead it must be, byte for
// byte, what is written for its content.
Json read_manifest(const fs::path& file, std::int64_t step) {
  const std::string text = core::read_text_file(file);
  const Json json = Json::parse(text, nullptr, false);
  const bool good = json.is_object() && json.contains("files") && json["files"].is_object() &&
                    std::all_of(json["files"].begin(), json["files"].end(), is_file_entry) &&
                    text == manifest_text(step, json["files"]);
  core::require(good, "checkpoint", "{}: damaged: {}", file.string(), kAdvice);
  return json["files"];
}

}  // namespace

fs::path checkpoint_path(const fs::path& run, std::int64_t step) {
  return folder_of(run) / fmt::format("{}{}", kPrefix, step);
}

// Anything but a folder that is not there is an error: a run whose checkpoints cannot be seen just
// now must not be taken for one that has none.
std::vector<std::int64_t> list_checkpoints(const fs::path& run) {
  const fs::path folder = folder_of(run);
  std::vector<std::int64_t> steps;
  const core::PathKind kind = core::path_kind(folder);
  if (kind == core::PathKind::missing) {
    std::error_code ignored;
    core::require(!fs::is_symlink(folder, ignored), "checkpoint",
                  "{}: a link that leads nowhere: mount or mend what it points to",
                  folder.string());
    return steps;
  }
  core::require(kind == core::PathKind::folder, "checkpoint",
                "{}: not a folder: checkpoints are kept in one: move it away", folder.string());
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const auto step = step_of(entry->path().filename().string());
    if (step && core::path_kind(entry->path()) == core::PathKind::folder) steps.push_back(*step);
  }
  core::require(!error, "checkpoint", "{}: cannot be read: {}: check its permissions",
                folder.string(), error.message());
  std::sort(steps.begin(), steps.end());
  return steps;
}

void set_aside_checkpoint(const fs::path& run, std::int64_t step) {
  const fs::path from = checkpoint_path(run, step);
  fs::path to = from;
  to += kDamaged;
  std::error_code error;
  fs::remove_all(to, error);
  fs::rename(from, to, error);
  core::require(!error, "checkpoint", "{}: cannot be renamed: {}: check permissions", from.string(),
                error.message());
}

void write_checkpoint(const fs::path& run, std::int64_t step, std::uint64_t bytes,
                      const std::function<void(const fs::path&)>& fill) {
  const fs::path target = checkpoint_path(run, step);
  const fs::path writing = hidden_path(target, kWriting);
  try {
    fs::remove_all(writing);
    core::create_folder(writing);
    const fs::space_info space = fs::space(writing);
    if (space.available < bytes + kSpareBytes) {
      fs::remove_all(writing);
      core::fail("checkpoint",
                 "{}: the disk has {:.1f} MiB left, step {} needs {:.1f} MiB: free some space and "
                 "resume: earlier checkpoints are whole",
                 target.string(), static_cast<double>(space.available) / (1 << 20), step,
                 static_cast<double>(bytes) / (1 << 20));
    }
    fill(writing);
    Json files = Json::object();
    for (const auto& entry : fs::directory_iterator(writing)) {
      const core::FileChecksum sum = core::checksum_file(entry.path());
      files[entry.path().filename().string()] = {{"bytes", sum.bytes}, {"crc32c", sum.crc32c}};
    }
    core::write_file_atomically(writing / kManifest, manifest_text(step, files));
    sync_folder(writing);
    if (fs::exists(target)) remove_checkpoint(target);
    fs::rename(writing, target);
    sync_folder(folder_of(run));
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(writing, ignored);
    core::fail("checkpoint", "{}: cannot save step {} ({}): earlier checkpoints are whole",
               target.string(), step, error.code().message());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(writing, ignored);
    throw;
  }
}

void verify_checkpoint(const fs::path& run, std::int64_t step) {
  const fs::path folder = checkpoint_path(run, step);
  core::require(core::path_kind(folder / kManifest) == core::PathKind::file, "checkpoint",
                "{}: missing: {}", (folder / kManifest).string(), kAdvice);
  const Json files = read_manifest(folder / kManifest, step);
  for (const auto& [name, entry] : files.items()) {
    core::require(name.find('/') == std::string::npos, "checkpoint", "{}: damaged: {}",
                  (folder / kManifest).string(), kAdvice);
    const fs::path file = folder / name;
    std::error_code ignored;
    core::require(fs::is_regular_file(file, ignored), "checkpoint", "{}: missing: {}",
                  file.string(), kAdvice);
    const core::FileChecksum sum = core::checksum_file(file);
    const auto bytes = entry["bytes"].get<std::uint64_t>();
    core::require(sum.bytes == bytes, "checkpoint", "{}: {} bytes where {} were written: {}",
                  file.string(), sum.bytes, bytes, kAdvice);
    core::require(sum.crc32c == entry["crc32c"].get<std::uint64_t>(), "checkpoint",
                  "{}: damaged (its checksum differs): {}", file.string(), kAdvice);
  }
}

std::optional<BestCheckpoint> read_best(const fs::path& run) {
  const fs::path file = folder_of(run) / kBestFile;
  if (!fs::exists(file)) return std::nullopt;
  const Json json = Json::parse(core::read_text_file(file), nullptr, false);
  core::require(json.is_object() && json.contains("step") && json["step"].is_number_integer() &&
                    json.contains("loss") && json["loss"].is_number(),
                "checkpoint", "{}: damaged: remove it to go on without", file.string());
  return BestCheckpoint{json["step"].get<std::int64_t>(), json["loss"].get<double>()};
}

void write_best(const fs::path& run, const std::optional<BestCheckpoint>& best) {
  const fs::path file = folder_of(run) / kBestFile;
  if (!best) {
    std::error_code ignored;
    fs::remove(file, ignored);
    return;
  }
  const Json json = {{"step", best->step}, {"loss", best->loss}};
  core::write_file_atomically(file, json.dump() + "\n");
}

void prune_checkpoints(const fs::path& run, std::int64_t keep) {
  const std::vector<std::int64_t> steps = list_checkpoints(run);
  const auto best = read_best(run);
  std::error_code ignored;
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < steps.size(); ++i) {
    if (best && best->step == steps[i]) continue;
    remove_checkpoint(checkpoint_path(run, steps[i]));
  }
  for (const auto& entry : fs::directory_iterator(folder_of(run), ignored)) {
    if (is_leftover(entry.path().filename().string())) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace unfold::models
