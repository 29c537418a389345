// A file that appears under its name only when it is complete: written beside it as .NAME.tmp,
// synced, renamed. A symbolic link is followed; what is no regular file is not replaced.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace unfold::data {

class PublishedFile {
 public:
  // Creates .NAME.tmp (a stale one is replaced). tag: the part that speaks in errors, all of which
  // are core::UserError: an existing NAME (unless overwrite), a folder or device of that name, an
  // unwritable folder, a full disk.
  PublishedFile(std::string_view tag, std::filesystem::path name, bool overwrite);
  ~PublishedFile();  // removes .NAME.tmp unless published
  PublishedFile(const PublishedFile&) = delete;
  PublishedFile& operator=(const PublishedFile&) = delete;

  void write(std::string_view bytes);
  // Brings all bytes to the disk and closes .NAME.tmp. Nothing can be written afterwards.
  void seal();
  // Renames the sealed file to NAME.
  void publish();

  const std::filesystem::path& name() const { return name_; }

 private:
  void require_free() const;
  [[noreturn]] void fail_with(int error) const;

  std::string tag_;
  std::filesystem::path name_, target_, temporary_;  // as asked for; behind links; beside that
  bool overwrite_;
  int descriptor_ = -1;
  bool published_ = false;
};

}  // namespace unfold::data
