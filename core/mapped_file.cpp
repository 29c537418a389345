#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace unfold::core {

MappedFile::MappedFile(const std::filesystem::path& file) : path_(file) {
  const std::string name = file.string();
  // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    require(errno != ENOENT && errno != ENOTDIR, "file", "{}: no such file: check the path", name);
    require(errno != EACCES, "file", "{}: no permission to read it: check its owner and mode",
            name);
    fail("file", "{}: cannot open: {}", name, std::strerror(errno));
  }
  struct stat status = {};
  void* data = MAP_FAILED;
  const bool known = ::fstat(descriptor, &status) == 0;
  const bool regular = known && S_ISREG(status.st_mode);
  if (regular && status.st_size > 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  }
  const int error = errno;
  ::close(descriptor);  // the mapping holds the file
  require(!known || !S_ISDIR(status.st_mode), "file",
          "{}: is a folder, expected a file: name the file in it", name);
  require(regular, "file", "{}: is not a regular file: name a file on disk", name);
  require(size_ > 0, "file", "{}: is empty: fetch it again", name);
  require(data != MAP_FAILED, "file", "{}: cannot be mapped into memory: {}", name,
          std::strerror(error));
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::release(std::size_t begin, std::size_t size) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  begin = std::min(begin, size_) / page * page;
  const std::size_t end = begin + std::min(size, size_ - begin);
  if (end > begin) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace unfold::core
