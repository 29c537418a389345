// Makes GGUF files of tests, value by value; nothing is checked, so that broken ones can be made.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::test {

class GgufBuilder {
 public:
  template <typename T>
  static std::string raw(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  }
  static std::string string(std::string_view text) {
    return raw(std::uint64_t{text.size()}) + std::string(text);
  }

  GgufBuilder& value(std::string_view key, std::uint32_t type, const std::string& bytes) {
    metadata_ += string(key) + raw(type) + bytes;
    ++values_;
    return *this;
  }
  GgufBuilder& text(std::string_view key, std::string_view text) {
    return value(key, 8, string(text));
  }
  GgufBuilder& integer(std::string_view key, std::uint32_t number) {
    return value(key, 4, raw(number));
  }
  GgufBuilder& number(std::string_view key, float number) { return value(key, 6, raw(number)); }
  GgufBuilder& boolean(std::string_view key, bool truth) {
    return value(key, 7, raw(static_cast<std::uint8_t>(truth)));
  }
  GgufBuilder& texts(std::string_view key, const std::vector<std::string>& list) {
    std::string bytes = raw(std::uint32_t{8}) + raw(std::uint64_t{list.size()});
    for (const std::string& text : list) bytes += string(text);
    return value(key, 9, bytes);
  }
  GgufBuilder& numbers(std::string_view key, const std::vector<float>& list) {
    std::string bytes = raw(std::uint32_t{6}) + raw(std::uint64_t{list.size()});
    for (const float number : list) bytes += raw(number);
    return value(key, 9, bytes);
  }
  GgufBuilder& integers(std::string_view key, const std::vector<std::int32_t>& list) {
    std::string bytes = raw(std::uint32_t{5}) + raw(std::uint64_t{list.size()});
    for (const std::int32_t number : list) bytes += raw(number);
    return value(key, 9, bytes);
  }

  // A tensor whose data is laid behind the others, at a multiple of 32. Extents as in the file: the
  // innermost first.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& extents,
                      std::uint32_t type, std::string_view data) {
    info(name, extents, type, data_.size());
    data_ += data;
    data_.resize((data_.size() + 31) / 32 * 32);
    return *this;
  }
  GgufBuilder& floats(std::string_view name, const std::vector<std::uint64_t>& extents,
                      const std::vector<float>& values) {
    return tensor(name, extents, 0,
                  {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }
  // Only the description of one.
  GgufBuilder& info(std::string_view name, const std::vector<std::uint64_t>& extents,
                    std::uint32_t type, std::uint64_t offset) {
    infos_ += string(name) + raw(static_cast<std::uint32_t>(extents.size()));
    for (const std::uint64_t extent : extents) infos_ += raw(extent);
    infos_ += raw(type) + raw(offset);
    ++tensors_;
    return *this;
  }
  GgufBuilder& data(std::size_t size) {
    data_.resize(size);
    return *this;
  }

  std::string build(std::uint32_t version = 3) const {
    std::string bytes = "GGUF" + raw(version) + raw(tensors_) + raw(values_) + metadata_ + infos_;
    if (tensors_ > 0) bytes.resize((bytes.size() + 31) / 32 * 32);
    return bytes + data_;
  }

 private:
  std::string metadata_;
  std::string infos_;
  std::string data_;
  std::uint64_t values_ = 0;
  std::uint64_t tensors_ = 0;
};

}  // namespace unfold::test
