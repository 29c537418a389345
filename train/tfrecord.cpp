#include "train/tfrecord.h"

#include <bit>

#include "core/checksum.h"

namespace unfold::train {
namespace {

template <typename Integer>
void append_little_endian(std::string& out, Integer value) {
  for (std::size_t byte = 0; byte < sizeof(Integer); ++byte) {
    out.push_back(static_cast<char>((value >> (8 * byte)) & 0xff));
  }
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(core::crc32c(bytes), 15) + 0xa282ead8u;
}

std::string tfrecord(std::string_view bytes) {
  std::string record;
  record.reserve(bytes.size() + 16);
  append_little_endian(record, static_cast<std::uint64_t>(bytes.size()));
  append_little_endian(record, masked_crc32c(record));
  record.append(bytes);
  append_little_endian(record, masked_crc32c(bytes));
  return record;
}

}  // namespace unfold::train
