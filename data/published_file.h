// A file that appears under its name only when it is complete: written to NAME.tmp, synced,
// renamed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace unfold::data {

class PublishedFile {
 public:
  // Creates NAME.tmp (a stale one is replaced). tag: the part that speaks in errors, all of which
  // are core::UserError: an existing NAME (unless overwrite), an unwritable folder, a full disk.
  PublishedFile(std::string_view tag, std::filesystem::path name, bool overwrite);
  ~PublishedFile();  // removes NAME.tmp unless published
  PublishedFile(const PublishedFile&) = delete;
  PublishedFile& operator=(const PublishedFile&) = delete;

  void write(std::string_view bytes);
  // Brings all bytes to the disk and closes NAME.tmp. Nothing can be written afterwards.
  void seal();
  // Renames the sealed file to NAME.
  void publish();

  const std::filesystem::path& name() const { return name_; }

 private:
  void require_free() const;
  [[noreturn]] void fail_with(int error) const;

  std::string tag_;
  std::filesystem::path name_, temporary_;
  bool overwrite_;
  int descriptor_ = -1;
  bool published_ = false;
};

}  // namespace unfold::data
