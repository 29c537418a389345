// How kernels are declared and dispatched.
//
// A kernel has one declaration, UNFOLD_KERNEL(name, arguments...), which makes three functions:
//   kernels::cpu::name    defined in core/cpu/FILE.cpp
//   kernels::cuda::name   defined in core/cuda/FILE.cu, or in the stub unit of a build without CUDA
//   kernels::name         runs the one that matches the device of its first tensor (none on meta)
// The first argument is a tensor, or a list of them or of structures that have a device().
// Kernels check nothing that their op has checked already, except that devices agree.
#pragma once

#include <type_traits>
#include <vector>

#include "core/device.h"
#include "core/error.h"
#include "core/tensor.h"

namespace unfold::core::kernels {

namespace detail {

// Called around every kernel: the place for profiler ranges and per-kernel timing.
class KernelScope {
 public:
  // bytes: of the tensors of the call (core/profile.h).
  KernelScope(const char* name, Device device, std::size_t bytes);
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  const char* name_;
  Device device_;
  std::size_t bytes_;
  double start_;
};

template <typename First, typename... Rest>
Device device_of(const First& first, const Rest&...) {
  return first.device();
}
template <typename First, typename... Rest>
Device device_of(const std::vector<First>& first, const Rest&...) {
  check(!first.empty(), "kernel", "an empty list has no device");
  return first.front().device();
}

// Tensors of one call live on one device; arguments that are not tensors, and tensors left
// undefined, have no say.
template <typename Argument>
void check_device(const char* name, Device device, const Argument& argument) {
  if constexpr (std::is_same_v<Argument, Tensor>) {
    if (!argument.defined() || argument.device() == device) return;
    check(false, "kernel", "{} got tensors on {} and on {}", name, name_of(device),
          name_of(argument.device()));
  } else if constexpr (std::is_same_v<Argument, std::vector<Tensor>>) {
    for (const Tensor& tensor : argument) check_device(name, device, tensor);
  }
}

template <typename Argument>
std::size_t bytes_of(const Argument& argument) {
  if constexpr (std::is_same_v<Argument, Tensor>) {
    if (argument.defined()) return argument.bytes();
  }
  return 0;
}

// The one switch over devices.
template <typename Cpu, typename Cuda>
void run_on(const char* name, Device device, std::size_t bytes, Cpu&& on_cpu, Cuda&& on_cuda) {
  const KernelScope scope(name, device, bytes);
  switch (device.type) {
    case DeviceType::cpu:
      on_cpu();
      return;
    case DeviceType::cuda:
      on_cuda();
      return;
    case DeviceType::meta:
      return;
  }
}

}  // namespace detail

#define UNFOLD_KERNEL(name, ...)                                                               \
  namespace cpu {                                                                              \
  void name(__VA_ARGS__);                                                                      \
  }                                                                                            \
  namespace cuda {                                                                             \
  void name(__VA_ARGS__);                                                                      \
  }                                                                                            \
  template <typename... Args>                                                                  \
  void name(Args&&... args) {                                                                  \
    const ::unfold::core::Device device = ::unfold::core::kernels::detail::device_of(args...); \
    (::unfold::core::kernels::detail::check_device(#name, device, args), ...);                 \
    ::unfold::core::kernels::detail::run_on(                                                   \
        #name, device, (::unfold::core::kernels::detail::bytes_of(args) + ...),                \
        [&] { cpu::name(args...); }, [&] { cuda::name(args...); });                            \
  }                                                                                            \
  static_assert(true, "a semicolon follows")

}  // namespace unfold::core::kernels
