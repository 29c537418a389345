// Token shards: one HDF5 file with the tokens of many documents.
//
//   /tokens              (N) uint16 when vocab_size <= 65536, else uint32; chunked, shuffled,
//                        deflated, fletcher32 checksums
//   /documents           (D + 1) int64, first token of each document, then N
//   /token_bytes_length  (vocab_size) uint16, bytes of text a token stands for; 0 for special ones
//   attributes of /      format_version, tokenizer_fingerprint, tokenizer_kind, vocab_size, eos,
//                        token_count, byte_count, complete (written last)
//
// HDF5's newest file format of 1.10 is used: its metadata carry checksums too, so that a flipped
// bit anywhere that matters is an error and never wrong tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

// What a shard must know of its tokenizer, so that it can be used without it.
struct VocabInfo {
  std::string fingerprint;
  std::string kind;
  std::int64_t vocab_size = 0;
  TokenId eos = 0;
  std::vector<std::uint16_t> token_bytes;  // (vocab_size) bytes of text; 0 for special tokens

  bool operator==(const VocabInfo&) const = default;
};

// Throws core::UserError when a token is longer than 65535 bytes.
VocabInfo describe_vocab(const Tokenizer& tokenizer);

// Writes one shard. Holds it compressed in memory, one or two bytes a token; .FILE.tmp is made at
// once, and FILE appears only when complete.
// All errors (existing file, unwritable folder, full disk) are core::UserError.
class ShardWriter {
 public:
  // overwrite: publish() may replace an existing FILE; a stale .FILE.tmp is always replaced.
  ShardWriter(const std::filesystem::path& file, const VocabInfo& vocab, bool overwrite = false);
  ~ShardWriter();  // removes .FILE.tmp unless published
  ShardWriter(ShardWriter&&) noexcept;
  ShardWriter& operator=(ShardWriter&&) noexcept;

  // Adds tokens to the open document; ids must be in [0, vocab_size).
  void append(std::span<const TokenId> tokens);
  // Closes the open document. It must not be empty.
  void end_document();

  std::int64_t tokens() const;
  std::int64_t documents() const;
  std::int64_t bytes() const;  // of text

  // Writes and syncs .FILE.tmp; nothing can be added afterwards. At least one document is needed.
  void seal();
  // Renames the sealed .FILE.tmp to FILE.
  void publish();
  void finish() {
    seal();
    publish();
  }

 private:
  struct File;
  std::unique_ptr<File> file_;
};

// Reads a shard. Everything is validated when it opens, token values when they are read; every
// defect is a core::UserError that names the file and asks to tokenize again.
// Not thread-safe: one thread at a time.
class ShardReader {
 public:
  // fingerprint: refuse a shard made with another tokenizer; empty: accept any.
  // cache_bytes: decoded tokens kept in memory.
  explicit ShardReader(const std::filesystem::path& file, std::string_view fingerprint = {},
                       std::int64_t cache_bytes = std::int64_t{64} << 20);
  ~ShardReader();
  ShardReader(ShardReader&&) noexcept;
  ShardReader& operator=(ShardReader&&) noexcept;

  const std::filesystem::path& path() const;
  const VocabInfo& vocab() const;
  std::int64_t tokens() const;
  std::int64_t bytes() const;  // of text
  std::int64_t documents() const;
  // First token of document i, 0 <= i <= documents(); the last entry is tokens().
  std::int64_t document_begin(std::int64_t i) const;

  // Copies tokens [begin, begin + out.size()) to out.
  void read(std::int64_t begin, std::span<TokenId> out);
  // Tokens of document i.
  std::vector<TokenId> document(std::int64_t i);

 private:
  struct File;
  std::unique_ptr<File> file_;
};

// Whether one thread may read a shard while another uses HDF5 for something else.
bool shards_are_thread_safe();

// The shards meant by a list of shards (.h5) and folders of them, in the given order, folders
// sorted by name. Throws core::UserError for a missing path or a folder without shards.
std::vector<std::filesystem::path> find_shards(const std::vector<std::string>& inputs);

}  // namespace unfold::data
