#include <algorithm>
#include <list>
#include <system_error>
#include <unordered_map>

#include "core/error.h"
#include "core/hdf5_handle.h"
#include "data/shard.h"
#include "data/shard_format.h"

namespace unfold::data {

namespace hdf5 = core::hdf5;

namespace fs = std::filesystem;
using namespace shard_format;

namespace {

hid_t read_only_access(const hdf5::Context& context, hdf5::Handle& access) {
  access = context.opened(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "set up HDF5");
  // A finished shard never changes, and locks fail on read-only and some network file systems.
  context.checked(H5Pset_file_locking(access.get(), false, true), "turn off file locks");
  return access.get();
}

// A scalar attribute opened and checked for its class; `size` receives the bytes of its type.
hdf5::Handle open_attribute(const hdf5::Context& context, hid_t file, const char* name,
                            H5T_class_t type_class, hdf5::Handle& type) {
  const std::string action = fmt::format("read attribute '{}'", name);
  auto attribute = context.opened(H5Aopen(file, name, H5P_DEFAULT), H5Aclose, action);
  type = context.opened(H5Aget_type(attribute.get()), H5Tclose, action);
  const auto space = context.opened(H5Aget_space(attribute.get()), H5Sclose, action);
  core::require(
      H5Sget_simple_extent_npoints(space.get()) == 1 && H5Tget_class(type.get()) == type_class,
      kTag, "{}: attribute '{}' has the wrong type: {}", context.file, name, kAdvice);
  return attribute;
}

std::int64_t read_integer(const hdf5::Context& context, hid_t file, const char* name) {
  hdf5::Handle type;
  const auto attribute = open_attribute(context, file, name, H5T_INTEGER, type);
  std::int64_t value = 0;
  context.checked(H5Aread(attribute.get(), H5T_NATIVE_INT64, &value),
                  fmt::format("read attribute '{}'", name));
  return value;
}

std::string read_text(const hdf5::Context& context, hid_t file, const char* name) {
  hdf5::Handle type;
  const auto attribute = open_attribute(context, file, name, H5T_STRING, type);
  const std::size_t size = H5Tget_size(type.get());
  core::require(H5Tis_variable_str(type.get()) == 0 && size > 0 && size <= kMaxText, kTag,
                "{}: attribute '{}' has the wrong type: {}", context.file, name, kAdvice);
  std::string value(size, '\0');
  context.checked(H5Aread(attribute.get(), type.get(), value.data()),
                  fmt::format("read attribute '{}'", name));
  value.resize(std::min(value.find('\0'), size));
  return value;
}

// A chunked one-dimensional dataset of integers, checked before anything is allocated for it.
class StoredArray {
 public:
  StoredArray(const hdf5::Context& context, hid_t file, const char* name, std::size_t value_size)
      : context_(&context), name_(name) {
    dataset_ = context.opened(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose, action());
    const auto type = context.opened(H5Dget_type(dataset_.get()), H5Tclose, action());
    require(H5Tget_class(type.get()) == H5T_INTEGER && H5Tget_size(type.get()) == value_size,
            fmt::format("is not made of {}-byte integers", value_size));
    const auto space = context.opened(H5Dget_space(dataset_.get()), H5Sclose, action());
    require(H5Sget_simple_extent_ndims(space.get()) == 1, "is not one-dimensional");
    hsize_t size = 0;
    context.checked(H5Sget_simple_extent_dims(space.get(), &size, nullptr), action());

    const auto create = context.opened(H5Dget_create_plist(dataset_.get()), H5Pclose, action());
    require(H5Pget_layout(create.get()) == H5D_CHUNKED, "is not chunked");
    hsize_t chunk = 0;
    require(H5Pget_chunk(create.get(), 1, &chunk) == 1 && chunk > 0 && chunk <= kMaxChunk,
            "has chunks of an absurd size");
    const int filters = H5Pget_nfilters(create.get());
    for (int i = 0; i < filters; ++i) {
      unsigned flags = 0, config = 0;
      std::size_t parameters = 0;
      const H5Z_filter_t filter = H5Pget_filter2(create.get(), static_cast<unsigned>(i), &flags,
                                                 &parameters, nullptr, 0, nullptr, &config);
      // Others would make HDF5 look for plug-in libraries to load.
      require(filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE ||
                  filter == H5Z_FILTER_FLETCHER32,
              "uses an unknown filter");
    }
    const hsize_t stored = H5Dget_storage_size(dataset_.get());
    std::error_code error;
    const auto file_size = fs::file_size(context.file, error);
    require(!error && stored <= file_size &&
                size <= stored * static_cast<hsize_t>(kMaxDeflateRatio) / value_size + chunk,
            fmt::format("claims {} values, more than the file can hold", size));
    size_ = static_cast<std::int64_t>(size);
  }

  std::int64_t size() const { return size_; }

  // Reads [begin, begin + count) converted to memory_type.
  void read(std::int64_t begin, std::int64_t count, hid_t memory_type, void* out) const {
    if (count == 0) return;
    const auto start = static_cast<hsize_t>(begin), length = static_cast<hsize_t>(count);
    const auto source = context_->opened(H5Dget_space(dataset_.get()), H5Sclose, action());
    context_->checked(
        H5Sselect_hyperslab(source.get(), H5S_SELECT_SET, &start, nullptr, &length, nullptr),
        action());
    const auto target = context_->opened(H5Screate_simple(1, &length, nullptr), H5Sclose, action());
    context_->checked(
        H5Dread(dataset_.get(), memory_type, target.get(), source.get(), H5P_DEFAULT, out),
        fmt::format("read '{}' from {} to {}", name_, begin, begin + count));
  }

 private:
  std::string action() const { return fmt::format("read '{}'", name_); }
  void require(bool condition, std::string_view defect) const {
    core::require(condition, kTag, "{}: '{}' {}: {}", context_->file, name_, defect, kAdvice);
  }

  const hdf5::Context* context_;
  std::string name_;
  hdf5::Handle dataset_;
  std::int64_t size_ = 0;
};

}  // namespace

struct ShardReader::File {
  File(const fs::path& shard, std::string_view fingerprint, std::int64_t cache_bytes)
      : path(shard),
        context{kTag, shard.string(), std::string(kAdvice)},
        max_pages(std::max<std::int64_t>(
            2, cache_bytes / (kChunkTokens * static_cast<std::int64_t>(sizeof(TokenId))))) {
    hdf5::silence();
    std::error_code error;
    const auto status = fs::status(path, error);
    core::require(fs::exists(status), kTag, "{}: no such file: check the path", context.file);
    core::require(fs::is_regular_file(status), kTag, "{}: not a file: give a shard (.h5)",
                  context.file);
    hdf5::Handle access;
    const hid_t access_id = read_only_access(context, access);
    file = context.opened(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access_id), H5Fclose,
                          "open it as a shard");
    read_header(fingerprint);
    read_token_bytes();
    // Pages are cached here, decoded: HDF5's own cache would keep everything twice.
    tokens = std::make_unique<StoredArray>(context, file.get(), kTokens,
                                           is_narrow(vocab.vocab_size) ? 2 : 4);
    const std::int64_t count = read_integer(context, file.get(), kTokenCount);
    require(count > 0 && count == tokens->size(),
            fmt::format("'tokens' has {} values, the header says {}", tokens->size(), count));
    read_documents();
  }

  void require(bool condition, std::string_view defect) const {
    core::require(condition, kTag, "{}: {}: {}", context.file, defect, kAdvice);
  }

  void read_header(std::string_view fingerprint) {
    const std::int64_t version = read_integer(context, file.get(), kFormatVersion);
    require(version == kVersion,
            fmt::format("shard format {}, this program reads format {}", version, kVersion));
    require(
        H5Aexists(file.get(), kComplete) > 0 && read_integer(context, file.get(), kComplete) == 1,
        "the shard was never completed");
    vocab.fingerprint = read_text(context, file.get(), kFingerprint);
    vocab.kind = read_text(context, file.get(), kKind);
    vocab.vocab_size = read_integer(context, file.get(), kVocabSize);
    require(vocab.vocab_size > 0 && vocab.vocab_size <= kMaxVocab,
            fmt::format("vocabulary of {} tokens", vocab.vocab_size));
    const std::int64_t eos = read_integer(context, file.get(), kEos);
    require(eos >= 0 && eos < vocab.vocab_size,
            fmt::format("end-of-document token {} outside the vocabulary of {}", eos,
                        vocab.vocab_size));
    vocab.eos = static_cast<TokenId>(eos);
    bytes = read_integer(context, file.get(), kByteCount);
    require(bytes >= 0, fmt::format("byte count {}", bytes));
    core::require(fingerprint.empty() || fingerprint == vocab.fingerprint, kTag,
                  "{}: made with another tokenizer (fingerprint {}, expected {}): tokenize the "
                  "text again with this tokenizer, or name the tokenizer it was made with",
                  context.file, std::string_view(vocab.fingerprint).substr(0, 12),
                  fingerprint.substr(0, 12));
  }

  void read_token_bytes() {
    const StoredArray stored(context, file.get(), kTokenBytes, sizeof(std::uint16_t));
    require(stored.size() == vocab.vocab_size,
            fmt::format("'{}' has {} values for a vocabulary of {}", kTokenBytes, stored.size(),
                        vocab.vocab_size));
    vocab.token_bytes.resize(static_cast<std::size_t>(vocab.vocab_size));
    stored.read(0, stored.size(), H5T_NATIVE_UINT16, vocab.token_bytes.data());
  }

  // Piece by piece, checking as it goes: a file that lies about its size is caught early.
  void read_documents() {
    const StoredArray stored(context, file.get(), kDocuments, sizeof(std::int64_t));
    require(stored.size() >= 2 && stored.size() - 1 <= tokens->size(),
            fmt::format("'documents' has {} offsets for {} tokens", stored.size(), tokens->size()));
    std::vector<std::int64_t> piece;
    for (std::int64_t begin = 0; begin < stored.size(); begin += kChunkDocuments) {
      const std::int64_t count = std::min(kChunkDocuments, stored.size() - begin);
      piece.resize(static_cast<std::size_t>(count));
      stored.read(begin, count, H5T_NATIVE_INT64, piece.data());
      for (const std::int64_t offset : piece) {
        const bool ascending = offsets.empty() ? offset == 0 : offset > offsets.back();
        require(ascending && offset <= tokens->size(),
                fmt::format("document offset {} is {}", offsets.size(), offset));
        offsets.push_back(offset);
      }
    }
    require(offsets.back() == tokens->size(), "the last document ends before the last token");
  }

  struct Page {
    std::int64_t index;
    std::vector<TokenId> tokens;
  };

  const std::vector<TokenId>& page(std::int64_t index) {
    if (const auto found = page_of.find(index); found != page_of.end()) {
      pages.splice(pages.begin(), pages, found->second);
      return pages.front().tokens;
    }
    hdf5::silence();
    if (static_cast<std::int64_t>(pages.size()) >= max_pages) {
      page_of.erase(pages.back().index);
      pages.pop_back();
    }
    const std::int64_t begin = index * kChunkTokens;
    const std::int64_t count = std::min(kChunkTokens, tokens->size() - begin);
    std::vector<TokenId> values(static_cast<std::size_t>(count));
    // Ids above 2^31 are clipped to it by the conversion, and refused just below.
    tokens->read(begin, count, H5T_NATIVE_INT32, values.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      core::require(values[i] >= 0 && values[i] < vocab.vocab_size, kTag,
                    "{}: token {} at position {} is outside the vocabulary of {}: {}", context.file,
                    values[i], begin + static_cast<std::int64_t>(i), vocab.vocab_size, kAdvice);
    }
    pages.push_front({index, std::move(values)});
    page_of[index] = pages.begin();
    return pages.front().tokens;
  }

  fs::path path;
  hdf5::Context context;
  std::int64_t max_pages;
  hdf5::Handle file;
  VocabInfo vocab;
  std::int64_t bytes = 0;
  std::unique_ptr<StoredArray> tokens;
  std::vector<std::int64_t> offsets;
  std::list<Page> pages;  // most recently used first
  std::unordered_map<std::int64_t, std::list<Page>::iterator> page_of;
};

ShardReader::ShardReader(const fs::path& file, std::string_view fingerprint,
                         std::int64_t cache_bytes)
    : file_(std::make_unique<File>(file, fingerprint, cache_bytes)) {}
ShardReader::~ShardReader() = default;
ShardReader::ShardReader(ShardReader&&) noexcept = default;
ShardReader& ShardReader::operator=(ShardReader&&) noexcept = default;

const fs::path& ShardReader::path() const {
  return file_->path;
}
const VocabInfo& ShardReader::vocab() const {
  return file_->vocab;
}
std::int64_t ShardReader::tokens() const {
  return file_->tokens->size();
}
std::int64_t ShardReader::bytes() const {
  return file_->bytes;
}
std::int64_t ShardReader::documents() const {
  return static_cast<std::int64_t>(file_->offsets.size()) - 1;
}

std::int64_t ShardReader::document_begin(std::int64_t i) const {
  core::check(i >= 0 && i <= documents(), kTag, "document {} of {}", i, documents());
  return file_->offsets[static_cast<std::size_t>(i)];
}

void ShardReader::read(std::int64_t begin, std::span<TokenId> out) {
  const auto end = begin + static_cast<std::int64_t>(out.size());
  core::check(begin >= 0 && end <= tokens(), kTag, "tokens {} to {} of {}", begin, end, tokens());
  auto target = out.begin();
  while (begin < end) {
    const std::int64_t index = begin / kChunkTokens;
    const std::int64_t stop = std::min(end, (index + 1) * kChunkTokens);
    const auto first = file_->page(index).begin() + (begin - index * kChunkTokens);
    target = std::copy(first, first + (stop - begin), target);
    begin = stop;
  }
}

std::vector<TokenId> ShardReader::document(std::int64_t i) {
  const std::int64_t begin = document_begin(i);
  core::check(i < documents(), kTag, "document {} of {}", i, documents());
  std::vector<TokenId> tokens(static_cast<std::size_t>(document_begin(i + 1) - begin));
  read(begin, tokens);
  return tokens;
}

bool shards_are_thread_safe() {
  return hdf5::is_thread_safe();
}

std::vector<fs::path> find_shards(const std::vector<std::string>& inputs) {
  std::vector<fs::path> shards;
  for (const std::string& input : inputs) {
    std::error_code error;
    const auto status = fs::status(input, error);
    core::require(fs::exists(status), kTag, "{}: no such file or folder: check the path", input);
    if (!fs::is_directory(status)) {
      shards.emplace_back(input);
      continue;
    }
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(input, error)) {
      if (entry.path().extension() == ".h5") found.push_back(entry.path());
    }
    core::require(!error, kTag, "{}: cannot list the folder ({}): check its permissions", input,
                  error.message());
    core::require(!found.empty(), kTag,
                  "{}: no shards (.h5) in this folder: make some with `unfold data tokenize`",
                  input);
    std::sort(found.begin(), found.end());
    shards.insert(shards.end(), found.begin(), found.end());
  }
  core::require(!shards.empty(), kTag, "no shards given: name shards (.h5) or folders of them");
  return shards;
}

}  // namespace unfold::data
