// main() of a fuzz target without libFuzzer: runs it on the files, and on the files of the folders,
// that are named, and on every truncation and many damages of each. So the corpus is a test.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMostTruncations = 300;
constexpr int kDamages = 300;

void run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

void run_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  run(bytes);
  const std::size_t step = 1 + bytes.size() / kMostTruncations;
  for (std::size_t size = 0; size < bytes.size(); size += step) run(bytes.substr(0, size));
  std::mt19937 random(1);  // the same damages in every run
  for (int i = 0; i < kDamages && !bytes.empty(); ++i) {
    std::string damaged = bytes;
    for (std::uint32_t n = 0; n <= random() % 4; ++n) {
      damaged[random() % bytes.size()] = static_cast<char>(random());
    }
    run(damaged);
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t files = 0;
  for (int i = 1; i < count; ++i) {
    std::vector<std::filesystem::path> paths = {arguments[i]};
    if (std::filesystem::is_directory(arguments[i])) {
      const std::filesystem::directory_iterator entries(arguments[i]);
      paths.assign(begin(entries), end(entries));
    }
    std::sort(paths.begin(), paths.end());
    for (const std::filesystem::path& path : paths) run_file(path);
    files += paths.size();
  }
  std::printf("%zu files, with truncations and damages: no finding\n", files);
  return files > 0 ? 0 : 1;
}
