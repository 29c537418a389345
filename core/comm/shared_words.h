// Words in memory that the processes of one host share (POSIX shared memory).
//
// One process makes them under a name that nobody else uses, the others open them by it; then the
// name is taken away, so that nothing is left behind however the processes end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace unfold::core {

class SharedWords {
 public:
  static constexpr std::size_t kStride = 64;  // bytes: every word has a cache line of its own

  // `count` words, all 0. Nothing where the system has no room for them.
  static std::optional<SharedWords> make(std::size_t count);
  // Nothing where there is no such name, or fewer words than that.
  static std::optional<SharedWords> open(const std::string& name, std::size_t count);
  ~SharedWords();
  SharedWords(SharedWords&& other) noexcept;
  SharedWords& operator=(SharedWords&& other) noexcept;
  SharedWords(const SharedWords&) = delete;
  SharedWords& operator=(const SharedWords&) = delete;

  // "/unfold-4711-8c1f...": for the others.
  const std::string& name() const { return name_; }
  // Takes the name away: who has opened the words keeps them. Done at the end by who made them.
  void unlink() noexcept;
  // As it is now, written by whomever.
  std::uint32_t word(std::size_t index) const;
  void set(std::size_t index, std::uint32_t value);
  // Whole pages: word i is kStride * i bytes behind the beginning.
  void* memory() const { return memory_; }
  std::size_t bytes() const { return bytes_; }

 private:
  SharedWords(std::string name, bool named, void* memory, std::size_t bytes)
      : name_(std::move(name)), named_(named), memory_(memory), bytes_(bytes) {}
  static std::optional<SharedWords> map(const std::string& name, bool mine, std::size_t count);
  std::uint32_t* at(std::size_t index) const;

  std::string name_;
  bool named_ = false;  // to be unlinked by this one
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace unfold::core
