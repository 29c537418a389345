#include "data/tokenizer/llama2c_vocabulary.h"

#include <cstring>
#include <string_view>

#include "core/error.h"
#include "core/mapped_file.h"
#include "data/tokenizer/sentencepiece_tokenizer.h"

namespace unfold::data {
namespace {

constexpr std::string_view kTag = "tokenizer";
constexpr std::int32_t kLongest = 4096;  // bytes of a token

template <typename T>
T load(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string with_marks(std::string_view text) {
  std::string marked;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  return marked;
}

}  // namespace

VocabularyTables read_llama2c_vocabulary(const std::filesystem::path& path) {
  const core::MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  const std::string name = path.string();
  constexpr std::size_t kEntry = sizeof(float) + sizeof(std::int32_t);
  VocabularyTables tables;
  tables.model = "llama";
  core::require(bytes.size() > sizeof(std::int32_t) + kEntry, kTag,
                "{}: too short for a tokenizer of llama2.c", name);
  const auto longest = load<std::int32_t>(bytes, 0);
  core::require(longest >= 1 && longest <= kLongest, kTag,
                "{}: a longest token of {} bytes: not a tokenizer of llama2.c", name, longest);
  std::size_t at = sizeof(std::int32_t);
  while (at < bytes.size()) {
    const std::size_t id = tables.tokens.size();
    core::require(bytes.size() - at >= kEntry, kTag, "{}: token {}: the file ends inside it", name,
                  id);
    const auto score = load<float>(bytes, at);
    const auto size = load<std::int32_t>(bytes, at + sizeof(float));
    at += kEntry;
    core::require(
        size >= 1 && size <= kLongest && static_cast<std::size_t>(size) <= bytes.size() - at, kTag,
        "{}: token {}: {} bytes: not a tokenizer of llama2.c, or damaged", name, id, size);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + at,
                                static_cast<std::size_t>(size));
    at += text.size();
    tables.tokens.push_back(with_marks(text));
    tables.scores.push_back(score);
    tables.types.push_back(byte_of_token(text) >= 0 ? kByteToken : kNormalToken);
  }
  core::require(tables.tokens.size() > 3 && tables.tokens[0] == "<unk>", kTag,
                "{}: does not begin with <unk>: not a tokenizer of llama2.c", name);
  // llama2.c writes the two with line ends around them.
  tables.tokens[1] = "<s>";
  tables.tokens[2] = "</s>";
  tables.types[0] = kUnknownToken;
  tables.types[1] = tables.types[2] = kControlToken;
  tables.unknown = 0;
  tables.bos = 1;
  tables.eos = 2;
  tables.add_bos = true;
  return tables;
}

}  // namespace unfold::data
