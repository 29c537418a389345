// TFRecord, the framing of TensorBoard's event files. One record:
//
//   uint64 length | uint32 masked CRC-32C of the length | bytes | uint32 masked CRC-32C of the
//   bytes
//
// Integers are little-endian; masked(c) = rotate_right(c, 15) + 0xa282ead8 (mod 2^32).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace unfold::train {

// CRC-32C (core/checksum.h), masked as above.
std::uint32_t masked_crc32c(std::string_view bytes);

// The record that holds `bytes`.
std::string tfrecord(std::string_view bytes);

}  // namespace unfold::train
