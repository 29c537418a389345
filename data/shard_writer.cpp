#include <limits>

#include "core/error.h"
#include "core/hdf5_handle.h"
#include "core/hdf5_image.h"
#include "data/published_file.h"
#include "data/shard.h"
#include "data/shard_format.h"

namespace unfold::data {

namespace hdf5 = core::hdf5;

namespace fs = std::filesystem;
using namespace shard_format;

namespace {

constexpr unsigned kDeflateLevel = 4;
constexpr std::size_t kImageGrowth = std::size_t{4} << 20;

// A one-dimensional dataset that grows; values are buffered to whole chunks.
template <typename Value>
class GrowingDataset {
 public:
  GrowingDataset(const hdf5::Context& context, hid_t file, const char* name, hid_t stored_type,
                 hid_t memory_type, std::int64_t chunk)
      : context_(context), name_(name), memory_type_(memory_type), chunk_(chunk) {
    const hsize_t none = 0, unlimited = H5S_UNLIMITED, chunk_size = static_cast<hsize_t>(chunk);
    const auto space =
        context.opened(H5Screate_simple(1, &none, &unlimited), H5Sclose, "create a space");
    const auto create =
        context.opened(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "create a property list");
    context.checked(H5Pset_chunk(create.get(), 1, &chunk_size), "set chunking");
    // The time of writing would make equal shards differ.
    context.checked(H5Pset_obj_track_times(create.get(), false), "turn off time stamps");
    context.checked(H5Pset_shuffle(create.get()), "set the shuffle filter");
    context.checked(H5Pset_deflate(create.get(), kDeflateLevel), "set compression");
    context.checked(H5Pset_fletcher32(create.get()), "set checksums");
    dataset_ = context.opened(
        H5Dcreate2(file, name, stored_type, space.get(), H5P_DEFAULT, create.get(), H5P_DEFAULT),
        H5Dclose, fmt::format("create '{}'", name));
    buffer_.reserve(static_cast<std::size_t>(chunk));
  }

  void push(Value value) {
    buffer_.push_back(value);
    if (static_cast<std::int64_t>(buffer_.size()) == chunk_) flush();
  }

  void flush() {
    if (buffer_.empty()) return;
    const hsize_t count = buffer_.size();
    const hsize_t total = written_ + count;
    context_.checked(H5Dset_extent(dataset_.get(), &total), action());
    const auto target = context_.opened(H5Dget_space(dataset_.get()), H5Sclose, action());
    context_.checked(
        H5Sselect_hyperslab(target.get(), H5S_SELECT_SET, &written_, nullptr, &count, nullptr),
        action());
    const auto source = context_.opened(H5Screate_simple(1, &count, nullptr), H5Sclose, action());
    context_.checked(H5Dwrite(dataset_.get(), memory_type_, source.get(), target.get(), H5P_DEFAULT,
                              buffer_.data()),
                     action());
    written_ = total;
    buffer_.clear();
  }

  void close() { context_.checked(dataset_.reset(), action()); }

 private:
  std::string action() const { return fmt::format("write '{}'", name_); }

  const hdf5::Context& context_;
  std::string name_;
  hid_t memory_type_;
  std::int64_t chunk_;
  hdf5::Handle dataset_;
  hsize_t written_ = 0;
  std::vector<Value> buffer_;
};

void write_attribute(const hdf5::Context& context, hid_t file, const char* name, hid_t stored_type,
                     hid_t memory_type, const void* value) {
  const std::string action = fmt::format("write attribute '{}'", name);
  const auto space = context.opened(H5Screate(H5S_SCALAR), H5Sclose, action);
  const auto attribute = context.opened(
      H5Acreate2(file, name, stored_type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, action);
  context.checked(H5Awrite(attribute.get(), memory_type, value), action);
}

void write_integer(const hdf5::Context& context, hid_t file, const char* name, std::int64_t value) {
  write_attribute(context, file, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

void write_text(const hdf5::Context& context, hid_t file, const char* name,
                const std::string& value) {
  const auto type = context.opened(H5Tcopy(H5T_C_S1), H5Tclose, "create a text type");
  context.checked(H5Tset_size(type.get(), value.size() + 1), "size a text type");
  write_attribute(context, file, name, type.get(), type.get(), value.c_str());
}

}  // namespace

VocabInfo describe_vocab(const Tokenizer& tokenizer) {
  VocabInfo vocab;
  vocab.fingerprint = tokenizer.fingerprint();
  vocab.kind = std::string(tokenizer.kind());
  vocab.vocab_size = tokenizer.vocab_size();
  vocab.eos = tokenizer.eos();
  vocab.token_bytes.resize(static_cast<std::size_t>(vocab.vocab_size));
  for (std::int64_t id = 0; id < vocab.vocab_size; ++id) {
    const auto token = static_cast<TokenId>(id);
    if (tokenizer.is_special(token)) continue;
    const std::size_t size = tokenizer.token_bytes(token).size();
    core::require(size <= std::numeric_limits<std::uint16_t>::max(), kTag,
                  "token {} of the tokenizer is {} bytes long: shards allow 65535; train another "
                  "tokenizer",
                  id, size);
    vocab.token_bytes[static_cast<std::size_t>(id)] = static_cast<std::uint16_t>(size);
  }
  return vocab;
}

struct ShardWriter::File {
  File(const fs::path& path, VocabInfo vocab_info, bool overwrite)
      : vocab(std::move(vocab_info)),
        target(kTag, path, overwrite),
        context{kTag, path.string(), "this is a fault of the HDF5 library"} {
    core::check(vocab.vocab_size > 0 && vocab.vocab_size <= kMaxVocab &&
                    vocab.vocab_size == static_cast<std::int64_t>(vocab.token_bytes.size()) &&
                    static_cast<std::int64_t>(vocab.fingerprint.size()) < kMaxText &&
                    static_cast<std::int64_t>(vocab.kind.size()) < kMaxText,
                kTag, "vocabulary of {} ids with {} byte lengths", vocab.vocab_size,
                vocab.token_bytes.size());
    hdf5::silence();
    const auto access = context.opened(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "set up HDF5");
    context.checked(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110),
                    "choose the HDF5 file format");
    image = std::make_unique<hdf5::MemoryImage>();
    image->install(context, access.get(), kImageGrowth);
    const auto create = context.opened(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "set up HDF5");
    context.checked(H5Pset_obj_track_times(create.get(), false), "turn off time stamps");
    const std::string image_name = path.string() + ".image";
    file = context.opened(H5Fcreate(image_name.c_str(), H5F_ACC_TRUNC, create.get(), access.get()),
                          H5Fclose, "create the file in memory");
    const bool narrow = is_narrow(vocab.vocab_size);
    tokens_data = std::make_unique<GrowingDataset<std::uint32_t>>(
        context, file.get(), kTokens, narrow ? H5T_STD_U16LE : H5T_STD_U32LE, H5T_NATIVE_UINT32,
        kChunkTokens);
    documents_data = std::make_unique<GrowingDataset<std::int64_t>>(
        context, file.get(), kDocuments, H5T_STD_I64LE, H5T_NATIVE_INT64, kChunkDocuments);
    documents_data->push(0);
  }

  void seal() {
    core::check(!sealed, kTag, "{}: sealed twice", context.file);
    core::check(documents > 0 && open_tokens == 0, kTag,
                "{}: sealed with {} documents and {} tokens in an open one", context.file,
                documents, open_tokens);
    hdf5::silence();
    tokens_data->flush();
    documents_data->flush();
    GrowingDataset<std::uint16_t> token_bytes(context, file.get(), kTokenBytes, H5T_STD_U16LE,
                                              H5T_NATIVE_UINT16, kChunkVocab);
    for (const std::uint16_t size : vocab.token_bytes) token_bytes.push(size);
    token_bytes.flush();
    token_bytes.close();
    tokens_data->close();
    documents_data->close();
    write_integer(context, file.get(), kFormatVersion, kVersion);
    write_text(context, file.get(), kFingerprint, vocab.fingerprint);
    write_text(context, file.get(), kKind, vocab.kind);
    write_integer(context, file.get(), kVocabSize, vocab.vocab_size);
    write_integer(context, file.get(), kEos, vocab.eos);
    write_integer(context, file.get(), kTokenCount, tokens);
    write_integer(context, file.get(), kByteCount, bytes);
    write_integer(context, file.get(), kComplete, 1);
    image->close(context, file);
    target.write(image->bytes());
    // A caller may keep many sealed shards until it publishes them all: keep no memory for them.
    image.reset();
    tokens_data.reset();
    documents_data.reset();
    vocab = {};
    target.seal();
    sealed = true;
  }

  VocabInfo vocab;
  PublishedFile target;
  hdf5::Context context;
  std::unique_ptr<hdf5::MemoryImage> image;  // before the file, which must be closed when it ends
  hdf5::Handle file;
  std::unique_ptr<GrowingDataset<std::uint32_t>> tokens_data;
  std::unique_ptr<GrowingDataset<std::int64_t>> documents_data;
  bool sealed = false;
  std::int64_t tokens = 0, documents = 0, bytes = 0, open_tokens = 0;
};

ShardWriter::ShardWriter(const fs::path& file, const VocabInfo& vocab, bool overwrite)
    : file_(std::make_unique<File>(file, vocab, overwrite)) {}
ShardWriter::~ShardWriter() = default;
ShardWriter::ShardWriter(ShardWriter&&) noexcept = default;
ShardWriter& ShardWriter::operator=(ShardWriter&&) noexcept = default;

void ShardWriter::append(std::span<const TokenId> tokens) {
  File& f = *file_;
  core::check(!f.sealed, kTag, "{}: appended to after it was sealed", f.context.file);
  hdf5::silence();
  for (const TokenId token : tokens) {
    core::check(token >= 0 && token < f.vocab.vocab_size, kTag, "token id {} of a vocabulary of {}",
                token, f.vocab.vocab_size);
    f.tokens_data->push(static_cast<std::uint32_t>(token));
    f.bytes += f.vocab.token_bytes[static_cast<std::size_t>(token)];
  }
  f.tokens += static_cast<std::int64_t>(tokens.size());
  f.open_tokens += static_cast<std::int64_t>(tokens.size());
}

void ShardWriter::end_document() {
  File& f = *file_;
  core::check(f.open_tokens > 0, kTag, "{}: document {} is empty", f.context.file, f.documents);
  hdf5::silence();
  f.documents_data->push(f.tokens);
  f.open_tokens = 0;
  ++f.documents;
}

std::int64_t ShardWriter::tokens() const {
  return file_->tokens;
}
std::int64_t ShardWriter::documents() const {
  return file_->documents;
}
std::int64_t ShardWriter::bytes() const {
  return file_->bytes;
}
void ShardWriter::seal() {
  file_->seal();
}
void ShardWriter::publish() {
  file_->target.publish();
}

}  // namespace unfold::data
