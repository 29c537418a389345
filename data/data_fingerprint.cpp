#include "data/data_fingerprint.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "core/checksum.h"
#include "core/mapped_file.h"
#include "data/records/record_reader.h"
#include "data/shard.h"

namespace unfold::data {

std::string data_fingerprint(const DataConfig& config, const std::vector<std::string>& inputs) {
  constexpr std::size_t kEnd = std::size_t{64} << 10;
  const std::vector<std::filesystem::path> files =
      config.format == DataFormat::sft ? find_record_files(inputs) : find_shards(inputs);
  std::string text;
  for (const std::filesystem::path& path : files) {
    const core::MappedFile file(path);
    const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                                 file.bytes().size());
    std::uint32_t sum = core::crc32c(bytes.substr(0, kEnd));
    sum = core::crc32c(bytes.substr(bytes.size() - std::min(kEnd, bytes.size())), sum);
    text += fmt::format("{}: {} bytes, {:08x}\n", path.filename().string(), bytes.size(), sum);
  }
  return text;
}

}  // namespace unfold::data
