#include "data/published_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/error.h"
#include "core/file.h"

namespace unfold::data {

namespace fs = std::filesystem;

PublishedFile::PublishedFile(std::string_view tag, fs::path name, bool overwrite)
    : tag_(tag), name_(std::move(name)), overwrite_(overwrite) {
  require_free();
  target_ = core::replaceable(name_);
  temporary_ = target_.parent_path() / ("." + target_.filename().string() + ".tmp");
  constexpr mode_t kMode = 0666;  // less the user's umask
  descriptor_ =
      ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kMode);
  core::require(descriptor_ >= 0, tag_,
                "{}: cannot be created ({}): check the folder or choose "
                "another one",
                name_.string(), std::strerror(errno));
}

PublishedFile::~PublishedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  std::error_code ignored;
  if (!published_) fs::remove(temporary_, ignored);
}

void PublishedFile::write(std::string_view bytes) {
  core::check(descriptor_ >= 0, tag_, "{}: written to after it was sealed", name_.string());
  while (!bytes.empty()) {
    const ::ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_with(errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void PublishedFile::seal() {
  core::check(descriptor_ >= 0, tag_, "{}: sealed twice", name_.string());
  // Until the data are on the disk itself, a rename could publish a file that a power cut empties.
  if (::fsync(descriptor_) != 0) fail_with(errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail_with(errno);
}

void PublishedFile::publish() {
  core::check(descriptor_ < 0 && !published_, tag_, "{}: published before it was sealed, or twice",
              name_.string());
  require_free();
  std::error_code error;
  fs::rename(temporary_, target_, error);
  core::require(!error, tag_, "{}: cannot rename {} to it ({}): check the folder", name_.string(),
                temporary_.string(), error.message());
  published_ = true;
  // The new name itself. Some file systems cannot sync a folder: the data are safe all the same.
  const fs::path folder = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
  if (const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
}

void PublishedFile::require_free() const {
  core::require(overwrite_ || !fs::exists(name_), tag_,
                "{}: exists already: remove it, ask to overwrite, or choose another name",
                name_.string());
}

void PublishedFile::fail_with(int error) const {
  core::fail(tag_, "{}: cannot be written ({}): free some space or choose another folder",
             name_.string(), std::strerror(error));
}

}  // namespace unfold::data
