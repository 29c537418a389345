#include "core/staged_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "core/error.h"
#include "core/file.h"

namespace unfold::core {

namespace fs = std::filesystem;

StagedFolder::StagedFolder(const fs::path& target, const std::string& advice)
    : target_(fs::absolute(target).lexically_normal()) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // "runs/new/"
  std::error_code ignored;
  require(!fs::exists(fs::symlink_status(target_, ignored)), "file", "{}: exists already: {}",
          target.string(), advice);
  writing_ = target_.parent_path() / fmt::format(".{}.writing", target_.filename().string());
  for (fs::path folder = target_.parent_path();
       folder.has_filename() && !fs::exists(folder, ignored); folder = folder.parent_path()) {
    parents_.push_back(folder);
  }
  fs::remove_all(writing_, ignored);
  try {
    create_folder(writing_);
  } catch (...) {
    remove();
    throw;
  }
}

StagedFolder::~StagedFolder() {
  if (!published_) remove();
}

void StagedFolder::remove() const {
  std::error_code ignored;
  fs::remove_all(writing_, ignored);
  for (const fs::path& folder : parents_) fs::remove(folder, ignored);
}

void StagedFolder::publish() {
  std::error_code error;
  fs::rename(writing_, target_, error);
  require(!error, "file", "{}: cannot be made: {}", target_.string(), error.message());
  published_ = true;
  const int parent = ::open(target_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) return;  // in place, only less safe against a power cut
  ::fsync(parent);
  ::close(parent);
}

}  // namespace unfold::core
