// A whole file as read-only memory: nothing is copied, pages come and go as they are read.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace unfold::core {

class MappedFile {
 public:
  // Throws core::UserError naming the file: missing, not a regular file, no permission, empty.
  // The file must not be cut short while it is mapped: reading behind its new end would be fatal.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  // Lets go of the pages that hold bytes [begin, begin + size): they no longer count as memory of
  // the program, and are read from the file again when touched. Any range; a hint.
  void release(std::size_t begin, std::size_t size) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace unfold::core
