// Names and limits of the shard file, shared by its writer and its reader.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <string_view>

namespace unfold::data::shard_format {

inline constexpr std::int64_t kVersion = 1;
inline constexpr std::int64_t kChunkTokens = 65536;
inline constexpr std::int64_t kChunkDocuments = 4096;
inline constexpr std::int64_t kChunkVocab = 65536;
// Limits for files we did not write: one chunk is held in memory, ids fit in an int32.
inline constexpr std::int64_t kMaxChunk = std::int64_t{1} << 22;
inline constexpr std::int64_t kMaxVocab = std::int64_t{1} << 28;
inline constexpr std::int64_t kMaxText = 256;
// Deflate cannot shrink data by more than about 1032:1.
inline constexpr std::int64_t kMaxDeflateRatio = 1100;

inline constexpr char kTokens[] = "tokens";
inline constexpr char kDocuments[] = "documents";
inline constexpr char kTokenBytes[] = "token_bytes_length";
inline constexpr char kFormatVersion[] = "format_version";
inline constexpr char kFingerprint[] = "tokenizer_fingerprint";
inline constexpr char kKind[] = "tokenizer_kind";
inline constexpr char kVocabSize[] = "vocab_size";
inline constexpr char kEos[] = "eos";
inline constexpr char kTokenCount[] = "token_count";
inline constexpr char kByteCount[] = "byte_count";
inline constexpr char kComplete[] = "complete";

inline constexpr std::string_view kTag = "shard";
inline constexpr std::string_view kAdvice = "tokenize the text again";

inline bool is_narrow(std::int64_t vocab_size) {
  return vocab_size <= 65536;
}

}  // namespace unfold::data::shard_format
