// safetensors, the Hugging Face file of named tensors: 8 bytes with the length of a JSON header
// (little endian), the header, then the values. Read mapped into memory, written tensor by tensor.
//
// Reading checks the header whole before anything is made from it. Every mistake is one
// core::UserError that names the file and, where there is one, the tensor: a truncated file, a
// header longer than the file, JSON that is deep, damaged or says a name twice, absurd shapes,
// offsets that overlap, leave holes or lie outside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "core/mapped_file.h"
#include "core/tensor.h"

namespace unfold::models {

struct SafetensorsEntry {
  std::string name;
  std::string type;  // "F32", "BF16", "I64", ...
  core::Shape shape;
  std::size_t begin = 0;  // bytes behind the header
  std::size_t size = 0;
};

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& file);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }  // in file order
  const SafetensorsEntry* find(const std::string& name) const;  // nullptr when there is none
  // On the CPU, converted to dtype (float32, bfloat16 or float64). Throws core::UserError unless
  // the entry is F64, F32, F16 or BF16.
  core::Tensor read(const SafetensorsEntry& entry, core::DType dtype) const;

 private:
  core::MappedFile file_;
  std::size_t data_ = 0;  // where the values begin
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, std::size_t> by_name_;
};

// The files of a model in a folder: model.safetensors, or the parts that
// model.safetensors.index.json names. Throws core::UserError also when index and files disagree.
std::vector<SafetensorsFile> open_safetensors_folder(const std::filesystem::path& folder);

struct SafetensorsPlan {
  std::string name;
  core::Shape shape;
  core::DType dtype = core::DType::float32;  // float32 or bfloat16
};

inline constexpr std::uint64_t kSafetensorsShard = 5'000'000'000;  // bytes, as Hugging Face shards

// Writes model.safetensors into a folder, or model-0000I-of-0000N.safetensors of at most
// `shard_bytes` of values each (a larger tensor stands alone) and their index. The folder is to be
// published as a whole by the caller (core/staged_folder.h): files are made under their own names.
class SafetensorsWriter {
 public:
  SafetensorsWriter(std::filesystem::path folder, std::vector<SafetensorsPlan> plan,
                    std::uint64_t shard_bytes = kSafetensorsShard);

  // The values of the plan's tensors, in its order.
  void write(const core::Tensor& value);
  // Behind the last tensor: syncs, writes the index.
  void finish();

 private:
  struct Shard {
    std::string name;
    std::size_t first = 0, last = 0;  // tensors of the plan
  };
  void open_shard();

  std::filesystem::path folder_;
  std::vector<SafetensorsPlan> plan_;
  std::vector<Shard> shards_;
  std::size_t shard_ = 0, next_ = 0;
  std::optional<core::AppendFile> file_;
};

}  // namespace unfold::models
