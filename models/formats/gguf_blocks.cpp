#include "models/formats/gguf_blocks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "models/formats/half.h"
#include "models/formats/rotary_order.h"

namespace unfold::models {
namespace {

using core::GgufType;
using Bytes = const std::uint8_t*;

constexpr int kBlock = 32;        // values of a simple block
constexpr int kSuperBlock = 256;  // values of a _K block

std::uint16_t load16(Bytes at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

float load_half(Bytes at) {
  return half_to_float(load16(at));
}

std::uint32_t load32(Bytes at) {
  std::uint32_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

// Each decodes one block.
void decode_q8_0(Bytes block, float* values) {
  const float scale = load_half(block);
  for (int i = 0; i < kBlock; ++i) {
    values[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
  }
}

// Q4_0, Q4_1 (`least` is added; -0 adds nothing, to the bit): low halves of 16 bytes are the first
// 16 values, high halves the others.
void decode_q4(float scale, float least, int zero, Bytes nibbles, float* values) {
  for (int i = 0; i < kBlock / 2; ++i) {
    values[i] = scale * static_cast<float>((nibbles[i] & 0xF) - zero) + least;
    values[i + kBlock / 2] = scale * static_cast<float>((nibbles[i] >> 4) - zero) + least;
  }
}

// Q5_0, Q5_1: the fifth bits of all 32 values are one number.
void decode_q5(float scale, float least, int zero, std::uint32_t high, Bytes nibbles,
               float* values) {
  for (int i = 0; i < kBlock / 2; ++i) {
    const int first = (nibbles[i] & 0xF) | static_cast<int>(high >> i & 1U) << 4;
    const int second = nibbles[i] >> 4 | static_cast<int>(high >> (i + kBlock / 2) & 1U) << 4;
    values[i] = scale * static_cast<float>(first - zero) + least;
    values[i + kBlock / 2] = scale * static_cast<float>(second - zero) + least;
  }
}

// Q4_K, Q5_K: eight scales and eight offsets of 6 bits in 12 bytes. The low four of each lie in six
// bits of a byte; of the high four the lower bits lie behind and the upper two in what is left.
struct SubScales {
  std::array<float, 8> scale;
  std::array<float, 8> least;
};

SubScales sub_scales(Bytes block) {
  const float scale = load_half(block);
  const float least = load_half(block + 2);
  const Bytes packed = block + 4;
  SubScales result;
  for (std::size_t i = 0; i < 8; ++i) {
    const int s = i < 4 ? packed[i] & 63 : (packed[i + 4] & 0xF) | packed[i - 4] >> 6 << 4;
    const int m = i < 4 ? packed[i + 4] & 63 : packed[i + 4] >> 4 | packed[i] >> 6 << 4;
    result.scale[i] = scale * static_cast<float>(s);
    result.least[i] = least * static_cast<float>(m);
  }
  return result;
}

// high: 32 bytes whose bit s is the fifth bit of the values of sub-block s, or nullptr.
void decode_sub_blocks(const SubScales& subs, Bytes high, Bytes nibbles, float* values) {
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const Bytes bytes = nibbles + sub / 2 * 32;  // two sub-blocks share 32 bytes
    const int shift = static_cast<int>(sub % 2 * 4);
    for (std::size_t i = 0; i < 32; ++i) {
      int value = bytes[i] >> shift & 0xF;
      if (high != nullptr) value |= (high[i] >> sub & 1) << 4;
      values[sub * 32 + i] = subs.scale[sub] * static_cast<float>(value) - subs.least[sub];
    }
  }
}

// 128 bytes of low halves, 64 of high bit pairs, 16 scales, one scale of all.
void decode_q6_k(Bytes block, float* values) {
  const float scale = load_half(block + 208);
  const Bytes scales = block + 192;
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const std::size_t half = sub / 4;  // of the block
    const Bytes low = block + half * 64 + sub % 2 * 32;
    const Bytes high = block + 128 + half * 32;
    const int low_shift = sub % 4 < 2 ? 0 : 4;
    const int high_shift = static_cast<int>(sub % 4) * 2;
    for (std::size_t i = 0; i < 32; ++i) {
      const int value = (low[i] >> low_shift & 0xF) | (high[i] >> high_shift & 3) << 4;
      const auto sub_scale = static_cast<std::int8_t>(scales[sub * 2 + i / 16]);
      values[sub * 32 + i] = scale * static_cast<float>(sub_scale) * static_cast<float>(value - 32);
    }
  }
}

void decode_block(GgufType type, Bytes block, float* values) {
  switch (type) {
    case GgufType::f32:
      std::memcpy(values, block, sizeof(float));
      return;
    case GgufType::f16:
      *values = load_half(block);
      return;
    case GgufType::bf16:
      *values = std::bit_cast<float>(std::uint32_t{load16(block)} << 16);
      return;
    case GgufType::q8_0:
      return decode_q8_0(block, values);
    case GgufType::q4_0:
      return decode_q4(load_half(block), -0.0F, 8, block + 2, values);
    case GgufType::q4_1:
      return decode_q4(load_half(block), load_half(block + 2), 0, block + 4, values);
    case GgufType::q5_0:
      return decode_q5(load_half(block), -0.0F, 16, load32(block + 2), block + 6, values);
    case GgufType::q5_1:
      return decode_q5(load_half(block), load_half(block + 2), 0, load32(block + 4), block + 8,
                       values);
    case GgufType::q4_k:
      return decode_sub_blocks(sub_scales(block), nullptr, block + 16, values);
    case GgufType::q5_k:
      return decode_sub_blocks(sub_scales(block), block + 16, block + 48, values);
    case GgufType::q6_k:
      return decode_q6_k(block, values);
  }
  core::check(false, "gguf", "type {}", static_cast<std::uint32_t>(type));
}

void store(std::span<const float> values, core::bfloat16* out) {
  std::transform(values.begin(), values.end(), out, [](float v) { return core::bfloat16(v); });
}

}  // namespace

void decode_gguf_blocks(GgufType type, std::span<const std::byte> bytes, std::span<float> values) {
  const core::GgufBlock& block = core::gguf_block(type);
  const auto size = static_cast<std::size_t>(block.bytes);
  const auto width = static_cast<std::size_t>(block.values);
  const std::size_t blocks = values.size() / width;
  core::check(values.size() % width == 0 && bytes.size() == blocks * size, "gguf",
              "{} bytes of {} for {} values", bytes.size(), block.name, values.size());
  if (type == GgufType::f32) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return;
  }
  const auto* at = reinterpret_cast<Bytes>(bytes.data());
  for (std::size_t i = 0; i < blocks; ++i) decode_block(type, at + i * size, &values[i * width]);
}

core::Tensor read_gguf_tensor(const core::GgufTensor& tensor, core::DType dtype,
                              std::int64_t head_width) {
  core::check(dtype == core::DType::float32 || dtype == core::DType::bfloat16, "gguf",
              "tensors are read as float32 or bfloat16, not {}", core::name_of(dtype));
  core::Tensor result = core::Tensor::empty(tensor.shape, dtype);
  // The elements of a bias in interleaved order are rows of one value.
  const bool is_vector = tensor.shape.size() == 1;
  const std::int64_t columns = is_vector && head_width > 0 ? 1 : tensor.shape.back();
  const std::int64_t rows = result.size() / columns;
  core::check(head_width == 0 || (head_width % 2 == 0 && rows % head_width == 0), "gguf",
              "{} rows of interleaved heads of {}", rows, head_width);
  const std::size_t row_bytes = tensor.bytes.size() / static_cast<std::size_t>(rows);
  const auto width = static_cast<std::size_t>(columns);
  core::parallel_for(rows, 1 + 65536 / columns, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> buffer(dtype == core::DType::float32 ? 0 : width);
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t from = head_width > 0 ? interleaved_row(row, head_width) : row;
      const auto bytes =
          tensor.bytes.subspan(static_cast<std::size_t>(from) * row_bytes, row_bytes);
      if (dtype == core::DType::float32) {
        decode_gguf_blocks(tensor.type, bytes, {result.data<float>() + row * columns, width});
      } else {
        decode_gguf_blocks(tensor.type, bytes, buffer);
        store(buffer, result.data<core::bfloat16>() + row * columns);
      }
    }
  });
  return result;
}

}  // namespace unfold::models
