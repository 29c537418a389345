#include "core/gguf_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is read as it lies in memory");

// Types of metadata values, as numbered in the file.
enum Kind : std::uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

// Bytes of a value of fixed size; 0 for strings, arrays and types that do not exist.
std::size_t fixed_size(std::uint32_t kind) {
  static constexpr std::array<std::uint8_t, 13> kSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kind < kSizes.size() ? kSizes[kind] : 0;
}

bool is_integer(std::uint32_t kind) {
  return fixed_size(kind) > 0 && kind != kFloat32 && kind != kFloat64 && kind != kBool;
}
bool is_number(std::uint32_t kind) {
  return fixed_size(kind) > 0 && kind != kBool;
}
bool is_bool(std::uint32_t kind) {
  return kind == kBool;
}
bool is_string(std::uint32_t kind) {
  return kind == kString;
}

// Arrays in arrays: nobody writes more than one level, and each costs stack.
constexpr int kDeepest = 4;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kLargestAlignment = std::uint64_t{1} << 30;
constexpr std::uint32_t kMostDimensions = 4;
constexpr std::size_t kLongestName = 65535;  // bytes, of keys by the specification
constexpr std::size_t kShownName = 80;       // of a name in a message

// Names of the encodings that are not read, for messages.
std::string type_name(std::uint32_t type) {
  static constexpr std::array<std::string_view, 31> kNames = {
      "F32",     "F16",    "Q4_0",    "Q4_1",  "Q4_2",   "Q4_3",  "Q5_0",  "Q5_1",
      "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
      "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
      "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};
  if (type < kNames.size()) return std::string(kNames[type]);
  return fmt::format("number {}", type);
}

const GgufBlock* find_block(std::uint32_t type) {
  static const std::unordered_map<std::uint32_t, GgufBlock> kBlocks = {
      {0, {"F32", 1, 4}},       {1, {"F16", 1, 2}},       {2, {"Q4_0", 32, 18}},
      {3, {"Q4_1", 32, 20}},    {6, {"Q5_0", 32, 22}},    {7, {"Q5_1", 32, 24}},
      {8, {"Q8_0", 32, 34}},    {12, {"Q4_K", 256, 144}}, {13, {"Q5_K", 256, 176}},
      {14, {"Q6_K", 256, 210}}, {30, {"BF16", 1, 2}}};
  const auto found = kBlocks.find(type);
  return found == kBlocks.end() ? nullptr : &found->second;
}

template <typename T>
T load(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string_view view_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// The shortest decimal that rounds to this float32: metadata means 1e-5, not 9.99999975e-06.
double shortest(float value) {
  return std::strtod(fmt::format("{}", value).c_str(), nullptr);
}

}  // namespace

const GgufBlock& gguf_block(GgufType type) {
  const GgufBlock* block = find_block(static_cast<std::uint32_t>(type));
  check(block != nullptr, "gguf", "type {}", static_cast<std::uint32_t>(type));
  return *block;
}

bool is_gguf_file(const std::filesystem::path& file) {
  if (file.extension() == ".gguf") return true;
  std::array<char, 4> magic{};
  std::ifstream(file, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF";
}

// Reads forward; everything is checked against the end of the file, and `place` says what for.
class GgufFile::Reader {
 public:
  explicit Reader(const GgufFile& file) : file_(file), bytes_(file.bytes_) {}

  std::string place = "header";
  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  void skip(std::uint64_t count, std::size_t size) {
    if (count > left() / size) truncated();
    at_ += static_cast<std::size_t>(count) * size;
  }
  template <typename T>
  T number() {
    if (left() < sizeof(T)) truncated();
    const T value = load<T>(bytes_, at_);
    at_ += sizeof(T);
    return value;
  }
  std::string_view string() {
    const auto size = number<std::uint64_t>();
    if (size > left()) truncated();
    const std::string_view text = view_of(bytes_.subspan(at_, static_cast<std::size_t>(size)));
    at_ += text.size();
    return text;
  }
  std::string_view name() {
    const std::string_view text = string();
    if (!is_name(text)) file_.fail(fmt::format("{}: the name is not printable ASCII", place));
    return text;
  }
  // Goes behind a value and checks what is in it.
  void skip_value(std::uint32_t kind, int depth = 0) {
    if (kind == kString) {
      string();
    } else if (kind == kBool) {
      if (number<std::uint8_t>() > 1) file_.fail(fmt::format("{}: neither true nor false", place));
    } else if (kind == kArray) {
      if (depth == kDeepest) file_.fail(fmt::format("{}: arrays in arrays too deep", place));
      const auto element = number<std::uint32_t>();
      const auto count = number<std::uint64_t>();
      if (fixed_size(element) > 0 && element != kBool) {
        skip(count, fixed_size(element));
      } else {
        for (std::uint64_t i = 0; i < count; ++i) skip_value(element, depth + 1);
        if (count == 0 && element > kFloat64) unknown(element);
      }
    } else if (fixed_size(kind) > 0) {
      skip(1, fixed_size(kind));
    } else {
      unknown(kind);
    }
  }

 private:
  [[noreturn]] void truncated() const {
    file_.fail(
        fmt::format("{}: runs over the end of the file at byte {}: the file is truncated or "
                    "damaged, fetch it again",
                    place, at_));
  }
  [[noreturn]] void unknown(std::uint32_t kind) const {
    file_.fail(fmt::format("{}: unknown value type {}", place, kind));
  }

  const GgufFile& file_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

GgufFile::GgufFile(const std::filesystem::path& file) : name_(file.string()), mapped_(file) {
  bytes_ = mapped_->bytes();
  parse();
}

GgufFile::GgufFile(std::string name, std::span<const std::byte> bytes)
    : name_(std::move(name)), bytes_(bytes) {
  parse();
}

void GgufFile::fail(std::string_view message) const {
  throw UserError("gguf", fmt::format("{}: {}", name_, message));
}

void GgufFile::parse() {
  Reader reader(*this);
  if (bytes_.size() < 4 || view_of(bytes_.first(4)) != "GGUF") {
    fail("does not begin with GGUF: not a GGUF file");
  }
  reader.skip(4, 1);
  version_ = reader.number<std::uint32_t>();
  if (version_ != 2 && version_ != 3) {
    const bool turned = (version_ & 0xFFFFU) == 0 && version_ != 0;
    fail(turned ? std::string("is big endian: convert the model to a little-endian file")
                : fmt::format("has version {}: 2 and 3 are read", version_));
  }
  const auto tensors = reader.number<std::uint64_t>();
  const auto pairs = reader.number<std::uint64_t>();
  read_metadata(reader, pairs);
  read_tensors(reader, tensors);
}

void GgufFile::read_metadata(Reader& reader, std::uint64_t count) {
  constexpr std::size_t kSmallest = 8 + 1 + 4 + 1;  // length, key, type, value
  if (count > reader.left() / kSmallest) {
    fail(fmt::format("header: {} metadata values do not fit into the file", count));
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    reader.place = fmt::format("metadata value {}", i);
    const std::string_view key = reader.name();
    reader.place = fmt::format("metadata '{}'", key.substr(0, kShownName));
    Value value;
    value.type = reader.number<std::uint32_t>();
    value.begin = reader.at();
    reader.skip_value(value.type);
    if (value.type == kArray) {
      value.element = load<std::uint32_t>(bytes_, value.begin);
      value.count = load<std::uint64_t>(bytes_, value.begin + 4);
      value.begin += 12;
    }
    if (!metadata_.emplace(key, value).second) fail(reader.place + ": given twice");
  }
}

void GgufFile::read_tensors(Reader& reader, std::uint64_t count) {
  constexpr std::size_t kSmallest = 8 + 1 + 4 + 8 + 4 + 8;  // name, rank, one extent, type, offset
  if (count > reader.left() / kSmallest) {
    fail(fmt::format("header: {} tensors do not fit into the file", count));
  }
  std::vector<std::uint64_t> offsets;
  tensors_.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    reader.place = fmt::format("tensor {}", i);
    const std::string_view name = reader.name();
    const std::string& place = reader.place =
        fmt::format("tensor '{}'", name.substr(0, kShownName));
    if (!tensor_index_.emplace(name, tensors_.size()).second) fail(place + ": given twice");
    const auto rank = reader.number<std::uint32_t>();
    if (rank < 1 || rank > kMostDimensions) {
      fail(fmt::format("{}: {} dimensions: 1 to {} are read", place, rank, kMostDimensions));
    }
    GgufTensor tensor;
    tensor.name = name;
    std::uint64_t values = 1;
    for (std::uint32_t d = 0; d < rank; ++d) {
      const auto extent = reader.number<std::uint64_t>();
      constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      if (extent < 1 || extent > kMost / values) {
        fail(fmt::format("{}: an extent of {} is out of range", place, extent));
      }
      values *= extent;
      tensor.shape.push_back(static_cast<std::int64_t>(extent));
    }
    const auto type = reader.number<std::uint32_t>();
    const GgufBlock* block = find_block(type);
    if (block == nullptr) {
      fail(
          fmt::format("{}: its type {} is not read: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, "
                      "Q4_K, Q5_K and Q6_K are",
                      place, type_name(type)));
    }
    tensor.type = static_cast<GgufType>(type);
    if (tensor.shape.front() % block->values != 0) {
      fail(fmt::format("{}: rows of {} values are not whole {} blocks of {}", place,
                       tensor.shape.front(), block->name, block->values));
    }
    const std::uint64_t blocks = values / static_cast<std::uint64_t>(block->values);
    if (blocks > bytes_.size() / static_cast<std::uint64_t>(block->bytes)) {
      fail(fmt::format("{}: {} values are more than the file holds", place, values));
    }
    // The length; where it begins is known when all of the header is read.
    tensor.bytes =
        bytes_.first(static_cast<std::size_t>(blocks) * static_cast<std::size_t>(block->bytes));
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    offsets.push_back(reader.number<std::uint64_t>());
    tensors_.push_back(std::move(tensor));
  }
  place_tensors(reader.at(), offsets);
}

void GgufFile::place_tensors(std::size_t data_begin, const std::vector<std::uint64_t>& offsets) {
  std::uint64_t alignment = kDefaultAlignment;
  if (const auto given = integer("general.alignment")) {
    alignment = static_cast<std::uint64_t>(*given);
    if (*given <= 0 || alignment % 8 != 0 || alignment > kLargestAlignment) {
      fail(fmt::format("general.alignment: {} is not a multiple of 8", *given));
    }
  }
  const std::uint64_t begin = (data_begin + alignment - 1) / alignment * alignment;
  std::vector<std::size_t> order(tensors_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return offsets[a] < offsets[b]; });
  std::uint64_t end = 0;  // of the tensor before
  for (const std::size_t i : order) {
    GgufTensor& tensor = tensors_[i];
    const std::string place = fmt::format("tensor '{}'", tensor.name.substr(0, kShownName));
    const std::uint64_t offset = offsets[i];
    const std::uint64_t size = tensor.bytes.size();
    if (offset % alignment != 0) {
      fail(fmt::format("{}: offset {} is not a multiple of {}", place, offset, alignment));
    }
    if (begin > bytes_.size() || offset > bytes_.size() - begin ||
        size > bytes_.size() - begin - offset) {
      fail(
          fmt::format("{}: {} bytes at offset {} run over the end of the file: the file is "
                      "truncated or damaged, fetch it again",
                      place, size, offset));
    }
    if (offset < end) fail(place + ": overlaps another tensor");
    end = offset + size;
    tensor.bytes = bytes_.subspan(static_cast<std::size_t>(begin + offset), tensor.bytes.size());
  }
}

const GgufTensor* GgufFile::find(std::string_view tensor) const {
  const auto found = tensor_index_.find(tensor);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

void GgufFile::release(const GgufTensor& tensor) const {
  if (!mapped_) return;
  const auto begin = static_cast<std::size_t>(tensor.bytes.data() - bytes_.data());
  mapped_->release(begin, tensor.bytes.size());
}

const GgufFile::Value* GgufFile::find_value(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

const GgufFile::Value* GgufFile::find_value(std::string_view key, bool good_type(std::uint32_t),
                                            std::string_view kind) const {
  const Value* value = find_value(key);
  if (value != nullptr && !good_type(value->type)) {
    fail(fmt::format("metadata '{}': expected {}, found a value of type {}", key, kind,
                     value->type));
  }
  return value;
}

const GgufFile::Value* GgufFile::find_array(std::string_view key, bool good_element(std::uint32_t),
                                            std::string_view kind) const {
  const Value* value = find_value(key);
  if (value != nullptr && (value->type != kArray || !good_element(value->element))) {
    fail(fmt::format("metadata '{}': expected an array of {}, found type {}{}", key, kind,
                     value->type,
                     value->type == kArray ? fmt::format(" of {}", value->element) : ""));
  }
  return value;
}

std::int64_t GgufFile::integer_at(std::string_view key, std::uint32_t type, std::size_t at) const {
  switch (type) {
    case kUint8:
      return load<std::uint8_t>(bytes_, at);
    case kInt8:
      return load<std::int8_t>(bytes_, at);
    case kUint16:
      return load<std::uint16_t>(bytes_, at);
    case kInt16:
      return load<std::int16_t>(bytes_, at);
    case kUint32:
      return load<std::uint32_t>(bytes_, at);
    case kInt32:
      return load<std::int32_t>(bytes_, at);
    case kInt64:
      return load<std::int64_t>(bytes_, at);
    default:
      break;
  }
  const auto value = load<std::uint64_t>(bytes_, at);
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    fail(fmt::format("metadata '{}': {} is out of range", key, value));
  }
  return static_cast<std::int64_t>(value);
}

double GgufFile::number_at(std::string_view key, std::uint32_t type, std::size_t at) const {
  if (type == kFloat32) return shortest(load<float>(bytes_, at));
  if (type == kFloat64) return load<double>(bytes_, at);
  return static_cast<double>(integer_at(key, type, at));
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const Value* value = find_value(key, is_integer, "an integer");
  if (value == nullptr) return std::nullopt;
  return integer_at(key, value->type, value->begin);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const Value* value = find_value(key, is_number, "a number");
  if (value == nullptr) return std::nullopt;
  return number_at(key, value->type, value->begin);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const Value* value = find_value(key, is_bool, "true or false");
  if (value == nullptr) return std::nullopt;
  return load<std::uint8_t>(bytes_, value->begin) != 0;
}

std::optional<std::string_view> GgufFile::text(std::string_view key) const {
  const Value* value = find_value(key, is_string, "a string");
  if (value == nullptr) return std::nullopt;
  const auto size = static_cast<std::size_t>(load<std::uint64_t>(bytes_, value->begin));
  return view_of(bytes_.subspan(value->begin + 8, size));
}

std::optional<std::vector<std::string_view>> GgufFile::texts(std::string_view key) const {
  const Value* value = find_array(key, is_string, "strings");
  if (value == nullptr) return std::nullopt;
  std::vector<std::string_view> texts;
  texts.reserve(static_cast<std::size_t>(value->count));  // each takes 8 bytes of the file at least
  std::size_t at = value->begin;
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const auto size = static_cast<std::size_t>(load<std::uint64_t>(bytes_, at));
    texts.push_back(view_of(bytes_.subspan(at + 8, size)));
    at += 8 + size;
  }
  return texts;
}

std::optional<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  const Value* value = find_array(key, is_integer, "integers");
  if (value == nullptr) return std::nullopt;
  std::vector<std::int64_t> integers(static_cast<std::size_t>(value->count));
  for (std::size_t i = 0; i < integers.size(); ++i) {
    integers[i] = integer_at(key, value->element, value->begin + i * fixed_size(value->element));
  }
  return integers;
}

std::optional<std::vector<float>> GgufFile::numbers(std::string_view key) const {
  const Value* value = find_array(key, is_number, "numbers");
  if (value == nullptr) return std::nullopt;
  std::vector<float> numbers(static_cast<std::size_t>(value->count));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t at = value->begin + i * fixed_size(value->element);
    numbers[i] = value->element == kFloat32
                     ? load<float>(bytes_, at)
                     : static_cast<float>(number_at(key, value->element, at));
  }
  return numbers;
}

}  // namespace unfold::core
