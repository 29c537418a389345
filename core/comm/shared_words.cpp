#include "core/comm/shared_words.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace {

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

// Nothing but atomic access: other processes and GPUs write at the same time.
std::atomic_ref<std::uint32_t> atomic(std::uint32_t* word) {
  return std::atomic_ref<std::uint32_t>(*word);
}

}  // namespace

std::optional<SharedWords> SharedWords::map(const std::string& name, bool mine, std::size_t count) {
  const int file = ::shm_open(name.c_str(), O_RDWR | (mine ? O_CREAT | O_EXCL : 0), 0600);
  if (file < 0) return std::nullopt;
  const std::size_t bytes = whole_pages(count * kStride);
  struct stat status = {};
  // Room is taken now: a file system that is full would end the process at its first word.
  const bool there =
      mine ? ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) == 0
           : ::fstat(file, &status) == 0 && static_cast<std::size_t>(status.st_size) >= bytes;
  void* const memory =
      there ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  ::close(file);
  if (memory == MAP_FAILED) {
    if (mine) ::shm_unlink(name.c_str());
    return std::nullopt;
  }
  return SharedWords(name, mine, memory, bytes);
}

std::optional<SharedWords> SharedWords::make(std::size_t count) {
  std::random_device random;
  const std::uint64_t number = static_cast<std::uint64_t>(random()) << 32 | random();
  return map(fmt::format("/unfold-{}-{:016x}", ::getpid(), number), true, count);
}

std::optional<SharedWords> SharedWords::open(const std::string& name, std::size_t count) {
  return map(name, false, count);
}

SharedWords::SharedWords(SharedWords&& other) noexcept
    : name_(std::move(other.name_)),
      named_(std::exchange(other.named_, false)),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

SharedWords& SharedWords::operator=(SharedWords&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(named_, other.named_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

SharedWords::~SharedWords() {
  unlink();
  if (memory_ != nullptr) ::munmap(memory_, bytes_);
}

void SharedWords::unlink() noexcept {
  if (std::exchange(named_, false)) ::shm_unlink(name_.c_str());
}

std::uint32_t* SharedWords::at(std::size_t index) const {
  check(index < bytes_ / kStride, "ranks", "shared word {} of {}", index, bytes_ / kStride);
  return reinterpret_cast<std::uint32_t*>(static_cast<char*>(memory_) + index * kStride);
}

std::uint32_t SharedWords::word(std::size_t index) const {
  return atomic(at(index)).load(std::memory_order_acquire);
}

void SharedWords::set(std::size_t index, std::uint32_t value) {
  atomic(at(index)).store(value, std::memory_order_release);
}

}  // namespace unfold::core
