// Tensor: a cheap handle on shared storage, with dtype, device, shape and strides. No autograd.
//
// Copying a Tensor copies the handle. Views (slice, transpose, reshape of a contiguous tensor)
// share storage. Kernels write through handles, so "const Tensor&" means "the handle is not
// changed". Misuse (wrong dtype, out-of-range index, shape mismatch) throws core::InternalError.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/memory.h"

namespace unfold::core {

using Shape = std::vector<std::int64_t>;

// "(2, 3, 4)".
std::string to_string(const Shape& shape);
// The same inside a message, written only when the message is: checks cost nothing when they hold.
struct ShownShape {
  const Shape& shape;
};
inline ShownShape shown(const Shape& shape) {
  return {shape};
}
// Product of the extents; 1 for a scalar.
std::int64_t element_count(const Shape& shape);

// One block of memory on one device, released with its last owner.
class Storage {
 public:
  Storage(Device device, std::size_t bytes);
  // Host memory of somebody else, who is kept.
  Storage(std::shared_ptr<void> owner, std::size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  Device device_;
  std::size_t bytes_;
  MemoryUse use_;
  std::shared_ptr<void> owner_;  // null: data_ is this block's own
  void* data_;
};

class Tensor {
 public:
  Tensor() = default;  // undefined: defined() is false, everything else is misuse

  // Contiguous (row-major) tensors.
  static Tensor empty(Shape shape, DType dtype, Device device = {});
  static Tensor zeros(Shape shape, DType dtype, Device device = {});
  static Tensor full(Shape shape, double value, DType dtype, Device device = {});
  // On host memory that is there already, aligned as its elements are, and large enough.
  static Tensor over(std::shared_ptr<void> memory, Shape shape, DType dtype);
  // From host values; values.size() must be the element count.
  template <typename T>
  static Tensor from(std::span<const T> values, Shape shape, Device device = {});
  template <typename T>
  static Tensor from(const std::vector<T>& values, Shape shape, Device device = {}) {
    return from(std::span<const T>(values), std::move(shape), device);
  }

  bool defined() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  Device device() const;
  const Shape& shape() const { return shape_; }
  const std::vector<std::int64_t>& strides() const { return strides_; }  // in elements
  std::int64_t rank() const { return static_cast<std::int64_t>(shape_.size()); }
  // Extent of one dimension; negative counts from the end.
  std::int64_t dim(std::int64_t index) const;
  std::int64_t size() const { return element_count(shape_); }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * size_of(dtype_); }
  bool is_contiguous() const;
  bool shares_storage_with(const Tensor& other) const { return storage_ == other.storage_; }
  // True when this handle is the only one on its storage, so that writing disturbs nobody.
  bool owns_alone() const { return storage_.use_count() == 1; }

  // Views.
  Tensor reshape(Shape shape) const;  // contiguous tensors only; one extent may be -1
  Tensor slice(std::int64_t dim, std::int64_t begin, std::int64_t end) const;
  Tensor transpose(std::int64_t a, std::int64_t b) const;

  // New tensors.
  Tensor contiguous() const;  // itself when already contiguous
  Tensor clone() const;
  Tensor to(DType dtype) const;    // itself when it has that dtype
  Tensor to(Device device) const;  // itself when it is there

  // Pointer to the first element; checks the dtype. On a CUDA device: a device pointer. On meta
  // there is none: misuse.
  template <typename T>
  T* data() const {
    check(dtype_ == dtype_of<T>, "tensor", "asked for {} of a {} tensor", name_of(dtype_of<T>),
          name_of(dtype_));
    return static_cast<T*>(raw());
  }
  void* raw() const;

  // The only element, as a double; any device.
  double item() const;
  // All elements in row-major order on the host.
  template <typename T>
  std::vector<T> to_vector() const;

 private:
  static Tensor without_storage(Shape shape, DType dtype);

  std::shared_ptr<Storage> storage_;
  std::int64_t offset_ = 0;  // elements
  DType dtype_ = DType::float32;
  Shape shape_;
  std::vector<std::int64_t> strides_;
};

// item() of tensors of one device, which is waited for once.
std::vector<double> items(const std::vector<Tensor>& scalars);

}  // namespace unfold::core

template <>
struct fmt::formatter<unfold::core::ShownShape> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  template <typename Context>
  auto format(unfold::core::ShownShape shown, Context& context) const {
    const std::string text = unfold::core::to_string(shown.shape);
    return std::copy(text.begin(), text.end(), context.out());
  }
};
