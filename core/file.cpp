#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace fs = std::filesystem;
namespace {

// Owns a file descriptor for the length of a scope.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() { close_quietly(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  // close() reports delayed write errors (network file systems), so writers must look at it.
  int close_checked() { return ::close(std::exchange(value_, -1)); }

 private:
  void close_quietly() {
    if (value_ >= 0) ::close(value_);
  }
  int value_;
};

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

[[noreturn]] void fail_to_write(const fs::path& file, int error) {
  const std::string name = file.string();
  const std::string folder = folder_of(file).string();
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      fail("file", "{}: the disk is full: free some space and run again", name);
    case EFBIG:
      fail("file", "{}: would exceed the allowed file size: raise the limit (ulimit -f)", name);
    case EACCES:
    case EPERM:
    case EROFS:
      fail("file", "{}: no permission to write in folder {}: choose another folder", name, folder);
    case ENOENT:
      fail("file", "{}: folder {} does not exist: create it or choose another path", name, folder);
    case ENOTDIR:
      fail("file", "{}: a part of {} is a file, not a folder: choose another path", name, folder);
    case EISDIR:
      fail("file", "{}: is a folder, expected a file: choose another path", name);
    case EEXIST:
      fail("file", "{}: exists already: remove it or choose another path", name);
    case ENAMETOOLONG:
      fail("file", "{}: the name is too long: choose a shorter path", name);
    default:
      fail("file", "{}: cannot write: {}", name, std::strerror(error));
  }
}

// 0, or the errno of the write that failed.
int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

int fsync_or_unsupported(int descriptor) {
  if (::fsync(descriptor) == 0) return 0;
  return errno == EINVAL || errno == ENOTSUP ? 0 : errno;  // pipes and devices cannot sync
}

// Makes a rename durable. A folder that cannot be opened or synced is no reason to fail: the data
// are in place, only less safe against a power cut.
void sync_folder(const fs::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) ::fsync(descriptor.get());
}

struct Beside {
  fs::path path;
  int descriptor;
};

Beside create_beside(const fs::path& file) {
  for (int attempt = 0;; ++attempt) {
    fs::path path = folder_of(file);
    path /= fmt::format(".{}.{}-{}.tmp", file.filename().string(), ::getpid(), attempt);
    const int descriptor =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor >= 0) return {std::move(path), descriptor};
    if (errno != EEXIST || attempt == 100) fail_to_write(file, errno);
  }
}

}  // namespace

PathKind path_kind(const fs::path& path) {
  std::error_code error;
  switch (fs::status(path, error).type()) {
    case fs::file_type::regular:
      return PathKind::file;
    case fs::file_type::directory:
      return PathKind::folder;
    case fs::file_type::not_found:
      return PathKind::missing;
    case fs::file_type::none:
      break;
    default:
      return PathKind::other;
  }
  fail("file", "{}: cannot be looked up: {}: check the path and its permissions", path.string(),
       error.message());
}

fs::path replaceable(const fs::path& requested) {
  std::error_code ignored;
  fs::path file = requested;
  if (fs::is_symlink(file, ignored) && fs::exists(file, ignored)) file = fs::canonical(file);
  if (!file.has_filename() || fs::is_directory(file, ignored)) fail_to_write(file, EISDIR);
  require(!fs::exists(file, ignored) || fs::is_regular_file(file, ignored), "file",
          "{}: is a device, a pipe or a socket, expected a file: choose another path",
          requested.string());
  return file;
}

void require_writable(const fs::path& file) {
  const Beside beside = create_beside(replaceable(file));
  const Descriptor descriptor(beside.descriptor);
  std::error_code ignored;
  fs::remove(beside.path, ignored);
}

void write_file_atomically(const fs::path& requested, std::string_view contents) {
  const fs::path file = replaceable(requested);
  auto [beside, opened] = create_beside(file);
  Descriptor descriptor(opened);
  struct stat existing = {};
  if (::stat(file.c_str(), &existing) == 0) ::fchmod(opened, existing.st_mode & 07777);
  int error = write_all(opened, contents);
  if (error == 0) error = fsync_or_unsupported(opened);
  if (descriptor.close_checked() != 0 && error == 0) error = errno;
  if (error == 0 && std::rename(beside.c_str(), file.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(beside.c_str());
    fail_to_write(file, error);
  }
  sync_folder(folder_of(file));
}

std::string read_text_file(const fs::path& file, std::uint64_t limit) {
  const std::string name = file.string();
  // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) {
    require(errno != ENOENT && errno != ENOTDIR, "file", "{}: no such file: check the path", name);
    require(errno != EACCES, "file", "{}: no permission to read it: check its owner and mode",
            name);
    fail("file", "{}: cannot open: {}", name, std::strerror(errno));
  }
  struct stat status = {};
  check(::fstat(descriptor.get(), &status) == 0, "file", "fstat: {}", std::strerror(errno));
  require(!S_ISDIR(status.st_mode), "file", "{}: is a folder, expected a file: name the file in it",
          name);
  require(S_ISREG(status.st_mode), "file", "{}: is not a regular file: name a file on disk", name);

  std::string contents;
  // The size is only a hint: files of /proc say 0, and a file may grow while we read.
  const auto stated = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  bool too_large = stated > limit;
  if (!too_large) contents.reserve(static_cast<std::size_t>(stated));
  char buffer[1 << 16];
  while (!too_large) {
    const ssize_t got = ::read(descriptor.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    require(got >= 0, "file", "{}: cannot read at byte {}: {}", name, contents.size(),
            std::strerror(errno));
    if (got == 0) return contents;
    contents.append(buffer, static_cast<std::size_t>(got));
    too_large = contents.size() > limit;
  }
  fail("file", "{}: larger than the limit of {} bytes: is it the right file?", name, limit);
}

FolderLock::FolderLock(const fs::path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) fail_to_write(folder, errno);
  // File systems without locks (some over a network) go without.
  const bool taken = ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (!taken) return;
  ::close(std::exchange(descriptor_, -1));
  fail("file", "{}: another process is writing into it: wait for its end or stop it",
       folder.string());
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && fs::is_directory(folder)) return;
  require(error != std::errc::no_space_on_device, "file",
          "{}: the disk is full: free some space and run again", folder.string());
  require(error != std::errc::permission_denied && error != std::errc::read_only_file_system,
          "file", "{}: no permission to create this folder: choose another", folder.string());
  fail("file", "{}: cannot create this folder: {}", folder.string(),
       error ? error.message() : "a file of that name is in the way");
}

AppendFile::AppendFile(const fs::path& file, Mode mode) : path_(file) {
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | (mode == Mode::create ? O_EXCL : 0);
  descriptor_ = ::open(file.c_str(), flags, 0666);
  if (descriptor_ < 0) fail_to_write(file, errno);
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void AppendFile::append(std::string_view bytes) {
  check(descriptor_ >= 0, "file", "append to a file that was moved away");
  if (const int error = write_all(descriptor_, bytes); error != 0) fail_to_write(path_, error);
}

void AppendFile::sync() {
  check(descriptor_ >= 0, "file", "sync of a file that was moved away");
  if (const int error = fsync_or_unsupported(descriptor_); error != 0) fail_to_write(path_, error);
}

}  // namespace unfold::core
