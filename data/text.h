// Text at the door: UTF-8 checks, and one stream of documents out of text, Markdown and JSONL
// files.
//
// Policy. Everything behind this header may rely on valid UTF-8 (Unicode table 3-7: no overlong
// forms, no surrogates, nothing above U+10FFFF). A file with a bad byte is an error that names the
// file and the byte offset; with InvalidUtf8::replace every bad sequence becomes U+FFFD instead,
// one for each maximal subpart, as Unicode recommends. A byte order mark at the start of a file is
// dropped. Line ends stay as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::data {

enum class InvalidUtf8 { error, replace };

// Offset of the first byte that does not belong to a well-formed sequence, or npos when all is
// well. A sequence cut off by the end of the text is not well-formed.
std::size_t find_invalid_utf8(std::string_view text);

// The text with every ill-formed sequence replaced by U+FFFD; valid text comes back unchanged.
std::string replace_invalid_utf8(std::string_view text);

// Text files behind the inputs, in reading order: files as given, folders replaced by what they
// hold (recursively, sorted by path) of these extensions, written in small letters. Others are
// skipped in folders. Throws core::UserError: no inputs, a path that does not exist or cannot be
// read, a given file of another extension or kind, a folder without such files.
std::vector<std::filesystem::path> list_text_files(const std::vector<std::filesystem::path>& inputs,
                                                   const std::vector<std::string>& extensions = {
                                                       ".txt", ".md", ".markdown", ".jsonl"});

// A document, or one piece of a long one. Tokens of the pieces, concatenated, are the tokens of the
// document: a piece ends before a single space between two ASCII letters, where the pre-tokenizers
// in use have a boundary (failing that behind a line end, else between two characters).
struct Document {
  std::string text;            // valid UTF-8; never empty
  std::filesystem::path file;  // where it came from
  std::int64_t line = 0;       // JSONL: line number from 1; text and Markdown: 0
  bool continues = false;      // further pieces of the same document follow

  // "books.md" or "corpus.jsonl:12", for messages.
  std::string place() const;
};

struct DocumentReaderOptions {
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;
  std::string json_field = "text";                      // JSONL: string member that holds the text
  bool whole_lines = false;                             // JSONL: the line itself is the text
  std::size_t piece_bytes = std::size_t{4} << 20;       // longer documents are yielded in pieces
  std::size_t max_line_bytes = std::size_t{256} << 20;  // a longer JSONL line is an error
};

// Yields documents one by one; holds one piece (or one JSONL line) in memory at a time.
//
//   .txt .md .markdown  one file is one document; an empty file is an error
//   .jsonl              one line is one document, the string under json_field; blank lines and
//   empty
//                       strings are skipped; an error names file:line
//
//   DocumentReader reader({"corpus/", "extra.jsonl"});
//   for (Document piece; reader.next(piece);) ...
//
// Not thread-safe: read in one thread, hand the (movable) documents to workers.
class DocumentReader {
 public:
  // Lists the files at once (list_text_files), so that a missing one is known before work starts.
  explicit DocumentReader(const std::vector<std::filesystem::path>& inputs,
                          DocumentReaderOptions options = {});
  ~DocumentReader();
  DocumentReader(DocumentReader&&) noexcept;
  DocumentReader& operator=(DocumentReader&&) noexcept;

  // Reads the next piece into `document`; false at the end of the last file.
  // Throws core::UserError for unreadable files, bad UTF-8 (unless replaced) and bad JSON, and at
  // the end when the inputs held no document at all.
  bool next(Document& document);

  const std::vector<std::filesystem::path>& files() const;
  std::int64_t total_bytes() const;  // sizes of all files when the reader was made
  std::int64_t bytes_read() const;   // bytes consumed so far: progress
  std::int64_t documents() const;    // whole documents yielded so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unfold::data
