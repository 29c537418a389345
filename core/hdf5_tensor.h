// Tensors and small values in HDF5 files.
//
// Tensors are stored as chunked datasets with a Fletcher-32 checksum, so that a damaged block is an
// error when it is read and never a wrong number. Errors are core::UserError naming file and
// dataset.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/hdf5_handle.h"
#include "core/tensor.h"

namespace unfold::core::hdf5 {

// Opens an existing file for reading; a missing, truncated or foreign file is a UserError.
Handle open_file(const Context& context);
// Creates a file (truncating an old one).
Handle create_file(const Context& context);
// Flushes, closes and fsyncs a file that was written; reports a full disk.
void finish_file(Handle file, const Context& context);

// Writes a tensor of any device as dataset `name` ("group/name" makes the group). bfloat16 is
// stored as uint16 bit patterns.
void write_tensor(hid_t parent, const std::string& name, const Tensor& tensor,
                  const Context& context);
// Reads dataset `name` into a tensor whose shape it must have, and whose dtype: only float32 and
// float64 convert into each other.
void read_tensor(hid_t parent, const std::string& name, const Tensor& tensor,
                 const Context& context);
bool has_dataset(hid_t parent, const std::string& name);

bool has_attribute(hid_t object, const std::string& name);
void write_attribute(hid_t object, const std::string& name, std::int64_t value,
                     const Context& context);
void write_attribute(hid_t object, const std::string& name, double value, const Context& context);
void write_attribute(hid_t object, const std::string& name, const std::string& value,
                     const Context& context);
std::int64_t read_integer_attribute(hid_t object, const std::string& name, const Context& context);
double read_real_attribute(hid_t object, const std::string& name, const Context& context);
// Strings above 16 MiB are refused.
std::string read_text_attribute(hid_t object, const std::string& name, const Context& context);

}  // namespace unfold::core::hdf5
