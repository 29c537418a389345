// Whole files and append-only logs, with errors a user can act on.
//
// Every failure is a core::UserError of one line that names the path: missing or unwritable folder,
// a directory where a file should be, a full disk, a file above the size limit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace unfold::core {

// Replaces the file by the contents, entirely or not at all: written beside it, fsynced, renamed.
// A crash leaves the old file. Permissions of an existing file are kept; a symbolic link is
// followed.
void write_file_atomically(const std::filesystem::path& file, std::string_view contents);

// For long work that writes the file at its end: fails now where it would fail then, and changes
// nothing.
void require_writable(const std::filesystem::path& file);

// What a rename to `file` is to replace: the file itself, or the one that a symbolic link leads to.
// Refuses a folder, a device, a pipe or a socket: a rename would put a file in its place.
std::filesystem::path replaceable(const std::filesystem::path& file);

// What is at a path; links are followed, and one that leads nowhere is `missing`. Throws
// core::UserError where that cannot be told: no permission, a name that is too long, a loop of
// links.
enum class PathKind { missing, file, folder, other };
PathKind path_kind(const std::filesystem::path& path);

inline constexpr std::uint64_t kTextFileLimit = std::uint64_t{256} << 20;  // bytes

// The bytes of a regular file of at most `limit` bytes, unchanged (UTF-8 is not checked here).
std::string read_text_file(const std::filesystem::path& file, std::uint64_t limit = kTextFileLimit);

// Creates the folder and its parents; fine when it exists already.
void create_folder(const std::filesystem::path& folder);

// A folder that one process at a time writes into. Ends with the object, or with the process.
class FolderLock {
 public:
  // Throws core::UserError while another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

// A file that only grows. Each append reaches the operating system before it returns, so that a
// killed process loses nothing; sync() also survives a power cut.
class AppendFile {
 public:
  enum class Mode {
    create,  // the file must not exist
    extend,  // created when missing, else continued at its end
  };

  AppendFile(const std::filesystem::path& file, Mode mode);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view bytes);
  void sync();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace unfold::core
