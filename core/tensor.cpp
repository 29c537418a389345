#include "core/tensor.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/kernels/elementwise.h"
#include "core/text_format.h"

namespace unfold::core {
namespace {

std::vector<std::int64_t> row_major_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

}  // namespace

std::string to_string(const Shape& shape) {
  return fmt::format("({})", core::join(shape, ", "));
}

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

Storage::Storage(Device device, std::size_t bytes)
    : device_(device), bytes_(bytes), use_(memory_use()), data_(allocate(device, bytes, use_)) {}

Storage::Storage(std::shared_ptr<void> owner, std::size_t bytes)
    : bytes_(bytes), use_(memory_use()), owner_(std::move(owner)), data_(owner_.get()) {}

Storage::~Storage() {
  if (!owner_) release(device_, data_, bytes_, use_);
}

Tensor Tensor::without_storage(Shape shape, DType dtype) {
  std::int64_t bytes = static_cast<std::int64_t>(size_of(dtype));
  for (const std::int64_t extent : shape) {
    check(extent >= 0, "tensor", "negative extent in shape {}", shown(shape));
    check(!__builtin_mul_overflow(bytes, std::max<std::int64_t>(1, extent), &bytes), "tensor",
          "shape {} is larger than any memory", shown(shape));
  }
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.strides_ = row_major_strides(shape);
  tensor.shape_ = std::move(shape);
  return tensor;
}

Tensor Tensor::empty(Shape shape, DType dtype, Device device) {
  Tensor tensor = without_storage(std::move(shape), dtype);
  tensor.storage_ = std::make_shared<Storage>(device, tensor.bytes());
  return tensor;
}

Tensor Tensor::over(std::shared_ptr<void> memory, Shape shape, DType dtype) {
  Tensor tensor = without_storage(std::move(shape), dtype);
  check(memory != nullptr, "tensor", "no memory for shape {}", shown(tensor.shape()));
  tensor.storage_ = std::make_shared<Storage>(std::move(memory), tensor.bytes());
  return tensor;
}

Tensor Tensor::zeros(Shape shape, DType dtype, Device device) {
  return full(std::move(shape), 0.0, dtype, device);
}

Tensor Tensor::full(Shape shape, double value, DType dtype, Device device) {
  Tensor tensor = empty(std::move(shape), dtype, device);
  kernels::fill(tensor, value);
  return tensor;
}

template <typename T>
Tensor Tensor::from(std::span<const T> values, Shape shape, Device device) {
  Tensor tensor = empty(std::move(shape), dtype_of<T>, device);
  check(static_cast<std::int64_t>(values.size()) == tensor.size(), "tensor",
        "{} values for shape {}", values.size(), shown(tensor.shape()));
  if (!device.is_meta()) {
    copy_bytes(device, tensor.raw(), Device{}, values.data(), tensor.bytes());
  }
  return tensor;
}

Device Tensor::device() const {
  check(defined(), "tensor", "undefined tensor has no device");
  return storage_->device();
}

std::int64_t Tensor::dim(std::int64_t index) const {
  const std::int64_t at = index < 0 ? index + rank() : index;
  check(at >= 0 && at < rank(), "tensor", "dimension {} of shape {}", index, shown(shape_));
  return shape_[static_cast<std::size_t>(at)];
}

bool Tensor::is_contiguous() const {
  std::int64_t stride = 1;
  for (std::size_t i = shape_.size(); i-- > 0;) {
    if (shape_[i] != 1 && strides_[i] != stride) return false;
    stride *= shape_[i];
  }
  return true;
}

Tensor Tensor::reshape(Shape shape) const {
  check(is_contiguous(), "tensor", "reshape of a strided view of shape {}", shown(shape_));
  std::int64_t known = 1;
  std::size_t free = shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      check(free == shape.size(), "tensor", "two free extents in {}", shown(shape));
      free = i;
    } else {
      check(shape[i] >= 0, "tensor", "negative extent in shape {}", shown(shape));
      known *= shape[i];
    }
  }
  if (free < shape.size()) {
    check(known > 0 && size() % known == 0, "tensor", "cannot reshape {} to {}", shown(shape_),
          shown(shape));
    shape[free] = size() / known;
  }
  check(element_count(shape) == size(), "tensor", "cannot reshape {} to {}", shown(shape_),
        shown(shape));
  Tensor view = *this;
  view.strides_ = row_major_strides(shape);
  view.shape_ = std::move(shape);
  return view;
}

Tensor Tensor::slice(std::int64_t dimension, std::int64_t begin, std::int64_t end) const {
  const std::int64_t extent = dim(dimension);
  const auto at = static_cast<std::size_t>(dimension < 0 ? dimension + rank() : dimension);
  check(0 <= begin && begin <= end && end <= extent, "tensor", "slice [{}, {}) of extent {}", begin,
        end, extent);
  Tensor view = *this;
  view.offset_ += begin * strides_[at];
  view.shape_[at] = end - begin;
  return view;
}

Tensor Tensor::transpose(std::int64_t a, std::int64_t b) const {
  static_cast<void>(dim(a));
  static_cast<void>(dim(b));
  Tensor view = *this;
  const auto first = static_cast<std::size_t>(a < 0 ? a + rank() : a);
  const auto second = static_cast<std::size_t>(b < 0 ? b + rank() : b);
  std::swap(view.shape_[first], view.shape_[second]);
  std::swap(view.strides_[first], view.strides_[second]);
  return view;
}

Tensor Tensor::contiguous() const {
  return is_contiguous() ? *this : clone();
}

Tensor Tensor::clone() const {
  Tensor result = empty(shape_, dtype_, device());
  kernels::copy(*this, result);
  return result;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result = empty(shape_, dtype, device());
  kernels::copy(*this, result);
  return result;
}

Tensor Tensor::to(Device target) const {
  if (target == device()) return *this;
  if (device().is_meta()) return zeros(shape_, dtype_, target);
  if (target.is_meta()) return empty(shape_, dtype_, target);
  const Tensor source = contiguous();
  Tensor result = empty(shape_, dtype_, target);
  copy_bytes(target, result.raw(), device(), source.raw(), source.bytes());
  return result;
}

void* Tensor::raw() const {
  check(defined(), "tensor", "undefined tensor has no data");
  check(!device().is_meta(), "tensor", "a tensor on meta has no data");
  return static_cast<char*>(storage_->data()) +
         offset_ * static_cast<std::int64_t>(size_of(dtype_));
}

double Tensor::item() const {
  check(size() == 1, "tensor", "item() of shape {}", shown(shape_));
  return to(Device{}).to(DType::float64).data<double>()[0];
}

std::vector<double> items(const std::vector<Tensor>& scalars) {
  std::vector<double> values;
  if (scalars.empty() || scalars.front().device().type != DeviceType::cuda) {
    for (const Tensor& scalar : scalars) values.push_back(scalar.item());
    return values;
  }
  const auto count = static_cast<std::int64_t>(scalars.size());
  const Tensor all = Tensor::empty({count}, DType::float64, scalars.front().device());
  for (std::int64_t i = 0; i < count; ++i) {
    const Tensor& scalar = scalars[static_cast<std::size_t>(i)];
    check(scalar.size() == 1, "tensor", "items() of shape {}", shown(scalar.shape()));
    kernels::copy(scalar.reshape({1}), all.slice(0, i, i + 1));
  }
  return all.to_vector<double>();
}

template <typename T>
std::vector<T> Tensor::to_vector() const {
  const Tensor host = to(Device{}).contiguous().to(dtype_of<T>);
  const T* first = host.data<T>();
  return std::vector<T>(first, first + host.size());
}

template Tensor Tensor::from(std::span<const double>, Shape, Device);
template Tensor Tensor::from(std::span<const float>, Shape, Device);
template Tensor Tensor::from(std::span<const bfloat16>, Shape, Device);
template Tensor Tensor::from(std::span<const std::int64_t>, Shape, Device);
template Tensor Tensor::from(std::span<const std::int32_t>, Shape, Device);
template Tensor Tensor::from(std::span<const std::uint8_t>, Shape, Device);
template std::vector<double> Tensor::to_vector() const;
template std::vector<float> Tensor::to_vector() const;
template std::vector<bfloat16> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;
template std::vector<std::int32_t> Tensor::to_vector() const;
template std::vector<std::uint8_t> Tensor::to_vector() const;

}  // namespace unfold::core
