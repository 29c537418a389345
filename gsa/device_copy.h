// Device copy: a place in a host structure for what a device keeps of it.
//
// Maps and tables are built on the host once a batch, and read by the kernels of every layer. What
// a device needs of them is uploaded by the first kernel that asks and lives as long as the
// structure does; a program that stays on the CPU pays for an empty pointer.
//
// A copy of the structure starts without it, so that it may be changed. Structures that have been
// given to a kernel must not be changed any more.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "core/device.h"

namespace unfold::gsa {

class DeviceCopy {
 public:
  DeviceCopy() = default;
  DeviceCopy(const DeviceCopy&) noexcept {}
  DeviceCopy(DeviceCopy&& other) noexcept : device_(other.device_), copy_(std::move(other.copy_)) {}
  DeviceCopy& operator=(const DeviceCopy& other) noexcept {
    if (this != &other) copy_.reset();
    return *this;
  }
  DeviceCopy& operator=(DeviceCopy&& other) noexcept {
    device_ = other.device_;
    copy_ = std::move(other.copy_);
    return *this;
  }
  ~DeviceCopy() = default;

  // The Copy of a device, made by make() when there is none. One structure is always asked for the
  // same type, and keeps the copy of one device.
  template <typename Copy, typename Make>
  std::shared_ptr<const Copy> get(core::Device device, Make&& make) const {
    const std::lock_guard lock(mutex_);
    if (copy_ == nullptr || device_ != device) {
      copy_ = std::make_shared<const Copy>(make());
      device_ = device;
    }
    return std::static_pointer_cast<const Copy>(copy_);
  }

 private:
  mutable std::mutex mutex_;
  mutable core::Device device_;
  mutable std::shared_ptr<const void> copy_;
};

}  // namespace unfold::gsa
