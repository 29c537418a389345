#include "core/hdf5_tensor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/memory.h"

namespace unfold::core::hdf5 {
namespace {

constexpr hsize_t kChunkElements = 1 << 18;
constexpr std::size_t kTextLimit = std::size_t{16} << 20;

hid_t storage_type(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return H5T_IEEE_F64LE;
    case DType::float32:
      return H5T_IEEE_F32LE;
    case DType::bfloat16:
      return H5T_STD_U16LE;
    case DType::int64:
      return H5T_STD_I64LE;
    case DType::int32:
      return H5T_STD_I32LE;
    case DType::uint8:
    case DType::boolean:
      return H5T_STD_U8LE;
  }
  return H5I_INVALID_HID;
}

std::vector<hsize_t> extents(const Tensor& tensor) {
  std::vector<hsize_t> result;
  for (const std::int64_t extent : tensor.shape()) result.push_back(static_cast<hsize_t>(extent));
  return result;
}

// Chunks of whole trailing dimensions, about kChunkElements in size.
std::vector<hsize_t> chunk_extents(std::vector<hsize_t> shape) {
  hsize_t budget = kChunkElements;
  for (std::size_t i = shape.size(); i-- > 0;) {
    shape[i] = std::clamp<hsize_t>(budget, 1, std::max<hsize_t>(shape[i], 1));
    budget = std::max<hsize_t>(1, budget / shape[i]);
  }
  return shape;
}

template <typename T>
void write_scalar(hid_t object, const std::string& name, hid_t type, const T* value,
                  const Context& context) {
  const Handle space = context.opened(H5Screate(H5S_SCALAR), H5Sclose, "write " + name);
  const Handle attribute =
      context.opened(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                     H5Aclose, "write " + name);
  context.checked(H5Awrite(attribute.get(), type, value), "write " + name);
}

Handle open_attribute(hid_t object, const std::string& name, H5T_class_t wanted,
                      const Context& context) {
  Handle attribute = context.opened(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose,
                                    "find attribute '" + name + "'");
  const Handle type = context.opened(H5Aget_type(attribute.get()), H5Tclose, "read " + name);
  const Handle space = context.opened(H5Aget_space(attribute.get()), H5Sclose, "read " + name);
  if (H5Tget_class(type.get()) != wanted || H5Sget_simple_extent_npoints(space.get()) != 1) {
    fail(context.tag, "{}: attribute '{}' has another type: {}", context.file, name,
         context.advice);
  }
  return attribute;
}

}  // namespace

Handle open_file(const Context& context) {
  silence();
  require(std::filesystem::exists(context.file), context.tag, "{}: no such file: {}", context.file,
          context.advice);
  require(std::filesystem::is_regular_file(context.file), context.tag, "{}: not a file: {}",
          context.file, context.advice);
  return context.opened(H5Fopen(context.file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose,
                        "open it as HDF5");
}

Handle create_file(const Context& context) {
  silence();
  return context.opened(H5Fcreate(context.file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                        H5Fclose, "create it");
}

void finish_file(Handle file, const Context& context) {
  context.checked(H5Fflush(file.get(), H5F_SCOPE_GLOBAL), "write it");
  context.checked(file.reset(), "close it");
  const int descriptor = ::open(context.file.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  require(synced, context.tag, "{}: cannot bring it to the disk ({}): {}", context.file,
          std::strerror(error), context.advice);
}

void write_tensor(hid_t parent, const std::string& name, const Tensor& tensor,
                  const Context& context) {
  const Tensor host = tensor.to(Device{}).contiguous();
  const std::vector<hsize_t> shape = extents(host);
  const Handle space =
      context.opened(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                     H5Sclose, "write " + name);
  const Handle link = context.opened(H5Pcreate(H5P_LINK_CREATE), H5Pclose, "write " + name);
  context.checked(H5Pset_create_intermediate_group(link.get(), 1), "write " + name);
  const Handle layout = context.opened(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "write " + name);
  // No time stamps: equal contents are equal bytes.
  context.checked(H5Pset_obj_track_times(layout.get(), false), "write " + name);
  if (host.rank() > 0 && host.size() > 0) {
    const std::vector<hsize_t> chunk = chunk_extents(shape);
    context.checked(H5Pset_chunk(layout.get(), static_cast<int>(chunk.size()), chunk.data()),
                    "write " + name);
    context.checked(H5Pset_fletcher32(layout.get()), "write " + name);
  }
  const hid_t type = storage_type(host.dtype());
  const Handle dataset = context.opened(
      H5Dcreate2(parent, name.c_str(), type, space.get(), link.get(), layout.get(), H5P_DEFAULT),
      H5Dclose, "write " + name);
  context.checked(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, host.raw()),
                  "write " + name);
}

void read_tensor(hid_t parent, const std::string& name, const Tensor& tensor,
                 const Context& context) {
  const Handle dataset =
      context.opened(H5Dopen2(parent, name.c_str(), H5P_DEFAULT), H5Dclose, "find '" + name + "'");
  const Handle space = context.opened(H5Dget_space(dataset.get()), H5Sclose, "read " + name);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> shape(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  const Handle type = context.opened(H5Dget_type(dataset.get()), H5Tclose, "read " + name);
  const hid_t wanted = storage_type(tensor.dtype());
  // float32 and float64 convert into each other as they are read.
  const bool converts = tensor.dtype() == DType::float32 || tensor.dtype() == DType::float64;
  const bool fits =
      H5Tequal(type.get(), wanted) > 0 || (converts && H5Tget_class(type.get()) == H5T_FLOAT);
  if (shape != extents(tensor) || !fits) {
    Shape found(shape.begin(), shape.end());
    fail(context.tag, "{}: '{}' has shape {}{} where {} {} is expected: {}", context.file, name,
         to_string(found), fits ? "" : " of another type", name_of(tensor.dtype()),
         to_string(tensor.shape()), context.advice);
  }
  const Tensor host = tensor.device().is_cpu() && tensor.is_contiguous()
                          ? tensor
                          : Tensor::empty(tensor.shape(), tensor.dtype());
  context.checked(H5Dread(dataset.get(), wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, host.raw()),
                  "read " + name);
  if (!host.shares_storage_with(tensor)) {
    check(tensor.is_contiguous(), "hdf5", "cannot read '{}' into a strided tensor", name);
    copy_bytes(tensor.device(), tensor.raw(), Device{}, host.raw(), host.bytes());
  }
}

bool has_dataset(hid_t parent, const std::string& name) {
  silence();
  return H5Lexists(parent, name.c_str(), H5P_DEFAULT) > 0;
}

bool has_attribute(hid_t object, const std::string& name) {
  silence();
  return H5Aexists(object, name.c_str()) > 0;
}

void write_attribute(hid_t object, const std::string& name, std::int64_t value,
                     const Context& context) {
  write_scalar(object, name, H5T_NATIVE_INT64, &value, context);
}

void write_attribute(hid_t object, const std::string& name, double value, const Context& context) {
  write_scalar(object, name, H5T_NATIVE_DOUBLE, &value, context);
}

// Fixed length, padded with NUL: a variable-length string would live outside the attribute.
void write_attribute(hid_t object, const std::string& name, const std::string& value,
                     const Context& context) {
  const Handle type = context.opened(H5Tcopy(H5T_C_S1), H5Tclose, "write " + name);
  context.checked(H5Tset_size(type.get(), std::max<std::size_t>(1, value.size())), "write " + name);
  context.checked(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "write " + name);
  std::string padded = value;
  padded.resize(std::max<std::size_t>(1, value.size()));
  write_scalar(object, name, type.get(), padded.data(), context);
}

std::int64_t read_integer_attribute(hid_t object, const std::string& name, const Context& context) {
  const Handle attribute = open_attribute(object, name, H5T_INTEGER, context);
  std::int64_t value = 0;
  context.checked(H5Aread(attribute.get(), H5T_NATIVE_INT64, &value), "read " + name);
  return value;
}

double read_real_attribute(hid_t object, const std::string& name, const Context& context) {
  const Handle attribute = open_attribute(object, name, H5T_FLOAT, context);
  double value = 0;
  context.checked(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &value), "read " + name);
  return value;
}

std::string read_text_attribute(hid_t object, const std::string& name, const Context& context) {
  const Handle attribute = open_attribute(object, name, H5T_STRING, context);
  const Handle type = context.opened(H5Aget_type(attribute.get()), H5Tclose, "read " + name);
  const std::size_t size = H5Tget_size(type.get());
  require(H5Tis_variable_str(type.get()) == 0 && size <= kTextLimit, context.tag,
          "{}: attribute '{}' is too long: {}", context.file, name, context.advice);
  std::string value(size, '\0');
  context.checked(H5Aread(attribute.get(), type.get(), value.data()), "read " + name);
  while (!value.empty() && value.back() == '\0') value.pop_back();
  return value;
}

}  // namespace unfold::core::hdf5
