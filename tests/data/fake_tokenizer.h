// A tokenizer small enough to reason about, one token a byte, and files for tests. Independent of
// data/tokenizer/*.cpp.
#pragma once

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace unfold::data::testing {

class FakeTokenizer final : public Tokenizer {
 public:
  explicit FakeTokenizer(std::string fingerprint = std::string(64, 'a'), std::int64_t padding = 0)
      : fingerprint_(std::move(fingerprint)), padding_(padding) {
    for (int i = 0; i < 256; ++i) bytes_[static_cast<std::size_t>(i)] = static_cast<char>(i);
  }

  std::string_view kind() const override { return "fake"; }
  std::int64_t vocab_size() const override { return 257 + padding_; }
  std::vector<TokenId> encode(std::string_view text) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string_view token_bytes(TokenId id) const override {
    if (id >= 256) return "<eos>";
    return std::string_view(bytes_).substr(static_cast<std::size_t>(id), 1);
  }
  bool is_special(TokenId id) const override { return id >= 256; }
  TokenId eos() const override { return 256; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::string fingerprint() const override { return fingerprint_; }
  void save(const std::filesystem::path& file) const override {
    std::ofstream(file) << "{\"fake\": true}\n";
  }

 private:
  std::string bytes_ = std::string(256, '\0');
  std::string fingerprint_;
  std::int64_t padding_;
};

// A folder of its own, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "unfold-data-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace unfold::data::testing
