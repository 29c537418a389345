// SHA-256 (FIPS 180-4): fingerprints of tokenizers. Not for secrets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace unfold::data {

class Sha256 {
 public:
  void update(std::string_view bytes);
  // 64 lower-case hex digits of everything updated so far; ends the use of this object.
  std::string hex_digest();

 private:
  void compress(const unsigned char* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_ = {};
  std::size_t filled_ = 0;   // bytes waiting in block_
  std::uint64_t total_ = 0;  // bytes seen
};

}  // namespace unfold::data
