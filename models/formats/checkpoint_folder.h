// Checkpoints of a run: RUN/checkpoints/step-N/, each a set of files and a manifest.
//
// A checkpoint is written beside (".step-N.writing"), every file fsynced, and then renamed, so that
// step-N is whole or absent. The manifest holds size and CRC-32C of each file: reading verifies
// them first, so that damage anywhere is found before anything is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace unfold::models {

inline constexpr const char* kModelFile = "model.h5";
inline constexpr const char* kTrainerFile = "trainer.h5";

std::filesystem::path checkpoint_path(const std::filesystem::path& run, std::int64_t step);
// Steps with a checkpoint, whole or damaged, ascending. Empty when there are none. Throws
// core::UserError when that cannot be told: a folder without permission, a link that leads nowhere.
std::vector<std::int64_t> list_checkpoints(const std::filesystem::path& run);
// Renames a damaged checkpoint to step-N.damaged, which is none: so that it does not count as one
// of the newest.
void set_aside_checkpoint(const std::filesystem::path& run, std::int64_t step);

// Creates checkpoint step-N: `fill` writes its files into the folder it is given. An existing
// step-N is replaced. A disk without room for about `bytes` is refused before anything is written.
// Throws core::UserError (full disk, unwritable folder) and leaves nothing half-made.
void write_checkpoint(const std::filesystem::path& run, std::int64_t step, std::uint64_t bytes,
                      const std::function<void(const std::filesystem::path& folder)>& fill);

// Checks every file of a checkpoint against its manifest. Throws core::UserError naming the file
// that is missing, truncated or damaged.
void verify_checkpoint(const std::filesystem::path& run, std::int64_t step);

// The best checkpoint so far, by validation loss.
struct BestCheckpoint {
  std::int64_t step = 0;
  double loss = 0;
};
std::optional<BestCheckpoint> read_best(const std::filesystem::path& run);
// Empty: forgets that there is one.
void write_best(const std::filesystem::path& run, const std::optional<BestCheckpoint>& best);

// Removes all but the newest `keep` checkpoints and the best one; also leftovers of a killed save
// or removal.
void prune_checkpoints(const std::filesystem::path& run, std::int64_t keep);

}  // namespace unfold::models
