// Checksums of files, to tell damage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace unfold::core {

// CRC-32C (Castagnoli) of `bytes`, continuing from the checksum of what came before (0 at first).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

struct FileChecksum {
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;
  bool operator==(const FileChecksum&) const = default;
};

// Reads the whole file. Throws core::UserError naming the file when it cannot be read.
FileChecksum checksum_file(const std::filesystem::path& file);

}  // namespace unfold::core
