// HDF5 handles that close themselves, and calls that are checked where they are made.
//
// HDF5 keeps silent (it would print pages to stderr); a failed call becomes one core::UserError
// line with the file, what failed and the innermost reason HDF5 gives ("No space left on device").
// Header-only, for .cpp files of rooms that link HDF5.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace unfold::core::hdf5 {

// An HDF5 identifier and the function that closes it. Movable, not copyable.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
      close_ = other.close_;
    }
    return *this;
  }
  ~Handle() { reset(); }

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

  // Closes now; the result tells whether buffered data reached the file.
  herr_t reset() {
    if (id_ < 0) return 0;
    return close_(std::exchange(id_, H5I_INVALID_HID));
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

// Call before anything else of HDF5, in every function that starts with it: stops HDF5 from
// printing its error stack (a setting of the thread, in thread-safe builds), and from tidying up at
// exit, where a file left half-written by a full disk would crash the program.
inline void silence() {
  static const herr_t no_tidying = H5dont_atexit();
  static_cast<void>(no_tidying);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

// Whether several threads may call HDF5 at a time (on different files too).
inline bool is_thread_safe() {
  hbool_t safe = 0;
  return H5is_library_threadsafe(&safe) >= 0 && safe;
}

// The innermost reason of the last failure in this thread, on one line.
inline std::string reason() {
  std::string text;
  const auto keep_first = [](unsigned index, const H5E_error2_t* error, void* out) -> herr_t {
    if (index == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  // I/O failures carry the system's words amid times, buffers and offsets: keep only the words.
  constexpr std::string_view kSystem = "error message = '";
  if (const auto begin = text.find(kSystem); begin != std::string::npos) {
    const auto end = text.find('\'', begin + kSystem.size());
    text = text.substr(begin + kSystem.size(), end - begin - kSystem.size());
  }
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text.empty() ? "HDF5 gives no reason" : text;
}

// Throws UserError "[tag] FILE: cannot ACTION (reason): ADVICE" when an HDF5 call returned < 0.
struct Context {
  std::string_view tag;
  std::string file;
  std::string advice;

  [[noreturn]] void fail(std::string_view action) const {
    core::fail(tag, "{}: cannot {} ({}): {}", file, action, reason(), advice);
  }
  template <typename Result>
  Result checked(Result result, std::string_view action) const {
    if (result < 0) fail(action);
    return result;
  }
  Handle opened(hid_t id, Handle::Close close, std::string_view action) const {
    return Handle(checked(id, action), close);
  }
};

}  // namespace unfold::core::hdf5
