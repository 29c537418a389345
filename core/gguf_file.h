// GGUF, the container of llama.cpp and ggml: typed metadata and tensors in one memory-mapped file.
//
// Source: the GGUF specification (ggml, docs/gguf.md), versions 2 and 3, little endian. The file is
// not trusted: every count, length, shape and offset is checked against the size of the file before
// it is used, names are unique printable ASCII, tensors neither overlap nor leave the file. What is
// wrong is a core::UserError of one line that names the file and the place. What tensors mean is
// models/formats/gguf_weights.h, their encodings models/formats/gguf_blocks.h; the vocabulary is
// read by data/tokenizer/gguf_vocabulary.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/mapped_file.h"
#include "core/tensor.h"

namespace unfold::core {

// How the values of a tensor are stored; numbers as in the file. Others are refused by name.
enum class GgufType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

// Values come in blocks along the last dimension: `values` of them in `bytes` bytes.
struct GgufBlock {
  std::string_view name;  // "Q4_K"
  std::int64_t values;
  std::int64_t bytes;
};
const GgufBlock& gguf_block(GgufType type);

struct GgufTensor {
  std::string name;
  Shape shape;  // row-major: the file lists dimensions the other way round
  GgufType type = GgufType::f32;
  std::span<const std::byte> bytes;  // whole blocks, rows one behind the other
};

// True for a file that begins with "GGUF", or whose name ends in .gguf (and which reads, or fails,
// as one).
bool is_gguf_file(const std::filesystem::path& file);

class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& file);
  // Of bytes in memory, which must outlive it; `name` stands for the file in messages.
  GgufFile(std::string name, std::span<const std::byte> bytes);

  const std::string& name() const { return name_; }
  std::uint32_t version() const { return version_; }
  std::size_t metadata_count() const { return metadata_.size(); }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // in file order
  const GgufTensor* find(std::string_view tensor) const;               // nullptr: none

  // Lets go of the memory that shows a tensor of a mapped file; it can be read again. A hint.
  void release(const GgufTensor& tensor) const;

  // Metadata. Nothing when there is no such key; a core::UserError that names the key when its
  // value is of another kind. integer: of any width and sign that fits; number: any integer or
  // floating value, a float32 as the shortest decimal that means it (1e-5, not 9.9999997e-6).
  // Texts are views into the file: not checked to be UTF-8.
  bool has(std::string_view key) const { return find_value(key) != nullptr; }
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<std::vector<std::string_view>> texts(std::string_view key) const;
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<float>> numbers(std::string_view key) const;

  // "[gguf] FILE: MESSAGE".
  [[noreturn]] void fail(std::string_view message) const;

 private:
  // A checked value: its type and where it stands in the file.
  struct Value {
    std::uint32_t type = 0;
    std::uint32_t element = 0;  // of an array
    std::uint64_t count = 1;    // of an array
    std::size_t begin = 0;
  };
  class Reader;

  void parse();
  void read_metadata(Reader& reader, std::uint64_t count);
  void read_tensors(Reader& reader, std::uint64_t count);
  void place_tensors(std::size_t data_begin, const std::vector<std::uint64_t>& offsets);
  const Value* find_value(std::string_view key) const;
  const Value* find_value(std::string_view key, bool good_type(std::uint32_t),
                          std::string_view kind) const;
  const Value* find_array(std::string_view key, bool good_element(std::uint32_t),
                          std::string_view kind) const;
  std::int64_t integer_at(std::string_view key, std::uint32_t type, std::size_t at) const;
  double number_at(std::string_view key, std::uint32_t type, std::size_t at) const;

  std::string name_;
  std::optional<MappedFile> mapped_;
  std::span<const std::byte> bytes_;
  std::uint32_t version_ = 0;
  std::unordered_map<std::string_view, Value> metadata_;  // keys are views into the file
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> tensor_index_;
};

}  // namespace unfold::core
