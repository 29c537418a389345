// A folder that appears under its name only when it is complete: filled as .NAME.writing beside it,
// then renamed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace unfold::core {

class StagedFolder {
 public:
  // Throws core::UserError: something of that name exists, a folder that cannot be made. `advice`
  // ends the message about an existing one. What a killed run left of .NAME.writing is replaced.
  StagedFolder(const std::filesystem::path& target, const std::string& advice);
  ~StagedFolder();  // removes the folder unless published, and parents that were made for it
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  const std::filesystem::path& path() const { return writing_; }  // to fill
  // Renames it to its name. Files are synced by those that write them.
  void publish();

 private:
  void remove() const;

  std::filesystem::path target_, writing_;
  std::vector<std::filesystem::path> parents_;  // made, innermost first
  bool published_ = false;
};

}  // namespace unfold::core
