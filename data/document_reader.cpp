#include <algorithm>
#include <cctype>
#include <fstream>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "data/jsonl_text.h"
#include "data/text.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "text";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

std::string lower_extension(const fs::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool is_jsonl(const fs::path& file) {
  return lower_extension(file) == ".jsonl";
}

using Extensions = std::vector<std::string>;

bool is_one_of(const Extensions& extensions, const fs::path& file) {
  return std::find(extensions.begin(), extensions.end(), lower_extension(file)) != extensions.end();
}

// ".txt, .md or .jsonl".
std::string spell(const Extensions& extensions) {
  std::string text = extensions.front();
  for (std::size_t i = 1; i < extensions.size(); ++i) {
    text += i + 1 == extensions.size() ? " or " : ", ";
    text += extensions[i];
  }
  return text;
}

void list_folder(const fs::path& folder, const Extensions& extensions,
                 std::vector<fs::path>& files) {
  const std::size_t before = files.size();
  std::error_code error;
  fs::recursive_directory_iterator walk(folder, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    std::error_code ignored;
    if (walk->is_regular_file(ignored) && is_one_of(extensions, walk->path())) {
      files.push_back(walk->path());
    }
  }
  core::require(!error, kTag, "{}: cannot list the folder ({}): check its permissions",
                folder.string(), error.message());
  core::require(files.size() > before, kTag, "{}: no {} file in this folder: give another one",
                folder.string(), spell(extensions));
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Where to cut text longer than `limit`: the last good seam in the second half of [0, limit].
std::size_t find_seam(std::string_view text, std::size_t limit) {
  for (std::size_t i = limit; i > limit / 2; --i) {
    if (text[i] == ' ' && is_letter(text[i - 1]) && is_letter(text[i + 1])) return i;
  }
  const std::size_t line_end = text.rfind('\n', limit - 1);
  if (line_end != std::string_view::npos && line_end >= limit / 2) return line_end + 1;
  std::size_t cut = limit;
  while (cut > limit - 3 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return cut;
}

}  // namespace

std::vector<fs::path> list_text_files(const std::vector<fs::path>& inputs,
                                      const std::vector<std::string>& extensions) {
  core::require(!inputs.empty(), kTag, "no input: give text files or folders");
  std::vector<fs::path> files;
  for (const fs::path& input : inputs) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    core::require(status.type() != fs::file_type::not_found, kTag,
                  "{}: no such file or folder: check the path", input.string());
    core::require(!error, kTag, "{}: cannot be read ({}): check its permissions", input.string(),
                  error.message());
    if (fs::is_directory(status)) {
      list_folder(input, extensions, files);
      continue;
    }
    core::require(fs::is_regular_file(status), kTag,
                  "{}: not a regular file: give a text file or a folder", input.string());
    core::require(is_one_of(extensions, input), kTag, "{}: unknown kind of file: give {}",
                  input.string(), spell(extensions));
    files.push_back(input);
  }
  return files;
}

std::string Document::place() const {
  return line > 0 ? fmt::format("{}:{}", file.string(), line) : file.string();
}

struct DocumentReader::State {
  std::vector<fs::path> files;
  DocumentReaderOptions options;
  std::int64_t total_bytes = 0;
  std::int64_t bytes_read = 0;
  std::int64_t documents = 0;

  std::size_t next_file = 0;
  fs::path file;  // the open file
  std::ifstream in;
  bool open = false;
  bool yielded = false;  // something of the open file was yielded
  bool at_end = false;   // the stream gave its last byte into raw
  std::string raw;       // bytes read and not yet yielded begin at `begin`
  std::size_t begin = 0;
  std::int64_t offset = 0;  // of raw[begin] in the file
  std::int64_t line = 0;
  std::string long_text;  // JSONL: text of a line that is yielded in pieces
  std::size_t long_begin = 0;

  std::string_view pending() const { return std::string_view(raw).substr(begin); }

  void open_next() {
    file = files[next_file++];
    in = std::ifstream(file, std::ios::binary);
    core::require(in.good(), kTag, "{}: cannot be opened: check its permissions", file.string());
    open = true;
    yielded = false;
    at_end = false;
    raw.clear();
    begin = 0;
    offset = 0;
    line = 0;
    read_more(kByteOrderMark.size());
    if (pending() == kByteOrderMark) consume(kByteOrderMark.size());
  }

  // Appends up to `count` bytes of the file to the pending ones.
  void read_more(std::size_t count) {
    if (begin > 0) {
      raw.erase(0, begin);
      begin = 0;
    }
    const std::size_t had = raw.size();
    raw.resize(had + count);
    in.read(raw.data() + had, static_cast<std::streamsize>(count));
    const auto got = static_cast<std::size_t>(in.gcount());
    raw.resize(had + got);
    core::require(!in.bad() && (got == count || in.eof()), kTag,
                  "{}: reading failed at byte {}: check the disk", file.string(),
                  offset + static_cast<std::int64_t>(had + got));
    at_end = got < count;
  }

  void consume(std::size_t count) {
    begin += count;
    offset += static_cast<std::int64_t>(count);
    bytes_read += static_cast<std::int64_t>(count);
  }

  // Applies the UTF-8 policy to bytes that start at `offset` of the file.
  void put_checked(std::string_view bytes, const std::string& place, std::string& text) const {
    const std::size_t bad = find_invalid_utf8(bytes);
    if (bad == std::string_view::npos) {
      text.assign(bytes);
      return;
    }
    core::require(options.invalid_utf8 == InvalidUtf8::replace, kTag,
                  "{}: invalid UTF-8 at byte {} of the file: convert it to UTF-8, or let `unfold "
                  "data` replace bad bytes (--invalid-utf8 replace)",
                  place, offset + static_cast<std::int64_t>(bad));
    text = replace_invalid_utf8(bytes);
  }

  // Both return false when the open file has nothing more.
  bool next_text_piece(Document& document);
  bool next_json_piece(Document& document);

  // The next JSONL line without its end, consumed by the caller through line_bytes.
  bool find_line(std::string_view& bytes, std::size_t& line_bytes);
};

bool DocumentReader::State::next_text_piece(Document& document) {
  const std::size_t limit = options.piece_bytes;
  // Two bytes more than a piece, so that a seam at the limit can look at the byte behind it.
  while (!at_end && pending().size() < limit + 2) read_more(limit + 2 - pending().size());
  if (pending().empty()) {
    core::require(yielded, kTag, "{}: the file is empty: remove it or give it text", file.string());
    return false;
  }
  document.continues = pending().size() >= limit + 2;
  const std::size_t size = document.continues ? find_seam(pending(), limit) : pending().size();
  put_checked(pending().substr(0, size), file.string(), document.text);
  document.file = file;
  document.line = 0;
  consume(size);
  return true;
}

bool DocumentReader::State::find_line(std::string_view& bytes, std::size_t& line_bytes) {
  std::size_t searched = 0;
  while (true) {
    const std::size_t end = pending().find('\n', searched);
    if (end != std::string_view::npos) {
      bytes = pending().substr(0, end);
      line_bytes = end + 1;
      return true;
    }
    searched = pending().size();
    core::require(searched <= options.max_line_bytes, kTag,
                  "{}:{}: line longer than {} bytes: split the document", file.string(), line + 1,
                  options.max_line_bytes);
    if (at_end) break;
    read_more(kReadBytes);
  }
  bytes = pending();
  line_bytes = bytes.size();
  return !bytes.empty();
}

bool DocumentReader::State::next_json_piece(Document& document) {
  while (long_begin >= long_text.size()) {
    std::string_view bytes;
    std::size_t line_bytes = 0;
    if (!find_line(bytes, line_bytes)) return false;
    ++line;
    if (bytes.find_first_not_of(" \t\r") != std::string_view::npos) {
      const std::string place = fmt::format("{}:{}", file.string(), line);
      std::string checked;
      put_checked(bytes, place, checked);
      if (options.whole_lines) {
        long_text = std::move(checked);
      } else {
        JsonText found = read_json_text(checked, options.json_field);
        core::require(found.text.has_value(), kTag,
                      "{}: {}: every line must be a JSON object with the text in \"{}\"", place,
                      found.error, options.json_field);
        long_text = std::move(*found.text);
      }
      long_begin = 0;
    }
    consume(line_bytes);
  }
  const std::string_view rest = std::string_view(long_text).substr(long_begin);
  document.continues = rest.size() >= options.piece_bytes + 2;
  const std::size_t size = document.continues ? find_seam(rest, options.piece_bytes) : rest.size();
  document.text.assign(rest.substr(0, size));
  document.file = file;
  document.line = line;
  long_begin += size;
  return true;
}

DocumentReader::DocumentReader(const std::vector<fs::path>& inputs, DocumentReaderOptions options)
    : state_(std::make_unique<State>()) {
  core::check(options.piece_bytes >= 16, kTag, "pieces of {} bytes are too small",
              options.piece_bytes);
  state_->files = list_text_files(inputs);
  state_->options = std::move(options);
  for (const fs::path& file : state_->files) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (!error) state_->total_bytes += static_cast<std::int64_t>(size);
  }
}

DocumentReader::~DocumentReader() = default;
DocumentReader::DocumentReader(DocumentReader&&) noexcept = default;
DocumentReader& DocumentReader::operator=(DocumentReader&&) noexcept = default;

bool DocumentReader::next(Document& document) {
  State& state = *state_;
  while (true) {
    if (!state.open) {
      if (state.next_file == state.files.size()) {
        core::require(state.documents > 0, kTag, "{}: the input holds no text: give another one",
                      state.files.front().string());
        return false;
      }
      state.open_next();
    }
    const bool found =
        is_jsonl(state.file) ? state.next_json_piece(document) : state.next_text_piece(document);
    if (found) {
      state.yielded = true;
      if (!document.continues) ++state.documents;
      return true;
    }
    state.open = false;
  }
}

const std::vector<fs::path>& DocumentReader::files() const {
  return state_->files;
}
std::int64_t DocumentReader::total_bytes() const {
  return state_->total_bytes;
}
std::int64_t DocumentReader::bytes_read() const {
  return state_->bytes_read;
}
std::int64_t DocumentReader::documents() const {
  return state_->documents;
}

}  // namespace unfold::data
