// An HDF5 file made in memory whose bytes we write ourselves.
//
// A write that fails inside HDF5, as on a full disk, leaves it with a half-closed file that crashes
// the program when it ends. In memory no write fails. (H5Fget_file_image would be simpler, but with
// the newest file format of HDF5 1.10 it gives a file whose superblock has a wrong checksum.)
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/hdf5_handle.h"

namespace unfold::core::hdf5 {

class MemoryImage {
 public:
  MemoryImage() = default;
  MemoryImage(const MemoryImage&) = delete;
  MemoryImage& operator=(const MemoryImage&) = delete;
  ~MemoryImage() { std::free(memory_); }

  // Makes files created with this access list live in memory, growing by `growth` bytes. One file,
  // which must be closed before this object ends.
  void install(const Context& context, hid_t access, std::size_t growth) {
    context.checked(H5Pset_fapl_core(access, growth, false), "set up HDF5 in memory");
    H5FD_file_image_callbacks_t callbacks{};
    callbacks.image_malloc = [](std::size_t size, H5FD_file_image_op_t, void*) {
      return std::malloc(size);
    };
    callbacks.image_memcpy = [](void* to, const void* from, std::size_t size, H5FD_file_image_op_t,
                                void*) { return std::memcpy(to, from, size); };
    callbacks.image_realloc = [](void* memory, std::size_t size, H5FD_file_image_op_t, void* self) {
      void* grown = std::realloc(memory, size);
      if (grown != nullptr) static_cast<MemoryImage*>(self)->capacity_ = size;
      return grown;
    };
    callbacks.image_free = [](void* memory, H5FD_file_image_op_t operation, void* self) -> herr_t {
      if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE) {
        static_cast<MemoryImage*>(self)->memory_ = memory;
      } else {
        std::free(memory);
      }
      return 0;
    };
    callbacks.udata_copy = [](void* self) { return self; };
    callbacks.udata_free = [](void*) -> herr_t { return 0; };
    callbacks.udata = this;
    context.checked(H5Pset_file_image_callbacks(access, &callbacks), "set up HDF5 in memory");
  }

  // Closes the file; afterwards bytes() is its content.
  void close(const Context& context, Handle& file) {
    context.checked(H5Fflush(file.get(), H5F_SCOPE_GLOBAL), "complete the file");
    context.checked(file.reset(), "close the file");
    // The memory is larger than the file. HDF5 tells the file's end only in the superblock itself:
    // version 2 and 3 hold it at byte 28, as so many bytes as byte 9 says (little endian).
    constexpr std::size_t kVersion = 8, kAddressSize = 9, kEnd = 28;
    core::check(memory_ != nullptr, "hdf5", "{}: no image was left", context.file);
    const auto* superblock = static_cast<const unsigned char*>(memory_);
    core::check((superblock[kVersion] == 2 || superblock[kVersion] == 3) &&
                    superblock[kAddressSize] == sizeof(std::uint64_t),
                "hdf5", "{}: superblock version {}", context.file, superblock[kVersion]);
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < sizeof end; ++i) {
      end |= std::uint64_t{superblock[kEnd + i]} << (8 * i);
    }
    core::check(end <= capacity_, "hdf5", "{}: ends at {} of {}", context.file, end, capacity_);
    size_ = static_cast<std::size_t>(end);
  }

  std::string_view bytes() const { return {static_cast<const char*>(memory_), size_}; }

 private:
  void* memory_ = nullptr;
  std::size_t capacity_ = 0;  // bytes of memory
  std::size_t size_ = 0;      // bytes of the file
};

}  // namespace unfold::core::hdf5
