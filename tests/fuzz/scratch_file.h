// The input of a fuzz target as a file, for readers that take a path. One file a process, written
// again for every input.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace unfold::fuzz {

// Left behind when a finding ends the process; the next run of that process number replaces it.
inline std::filesystem::path scratch_file(const std::uint8_t* data, std::size_t size,
                                          const char* name) {
  static const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("unfold-fuzz-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / name;
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  return file;
}

}  // namespace unfold::fuzz
