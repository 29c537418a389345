#include "data/shard.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <chrono>
#include <thread>

#include "core/error.h"
#include "data/counter_random.h"
#include "tests/data/fake_tokenizer.h"
#include "tests/data/file_size_limit.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;
using testing::FakeTokenizer;
using testing::FileSizeLimit;
using testing::read_bytes;
using testing::TemporaryFolder;
using testing::write_bytes;

using Documents = std::vector<std::vector<TokenId>>;

Documents random_documents(std::uint64_t seed, int count, std::int64_t longest,
                           std::int64_t vocab_size) {
  CounterRandom random{seed};
  Documents documents(static_cast<std::size_t>(count));
  for (auto& document : documents) {
    document.resize(1 + random.below(static_cast<std::uint64_t>(longest)));
    for (auto& token : document) {
      token = static_cast<TokenId>(random.below(static_cast<std::uint64_t>(vocab_size)));
    }
  }
  return documents;
}

void write_shard(const fs::path& file, const Documents& documents, const VocabInfo& vocab) {
  ShardWriter writer(file, vocab);
  for (const auto& document : documents) {
    writer.append(document);
    writer.end_document();
  }
  writer.finish();
}

// Opens the shard and reads every token; returns the message of the UserError, or "" when all went
// well. Any other exception fails the test.
std::string complaint(const fs::path& file, std::string_view fingerprint = {}) {
  try {
    ShardReader reader(file, fingerprint);
    for (std::int64_t i = 0; i < reader.documents(); ++i) reader.document(i);
    return "";
  } catch (const core::UserError& error) {
    return error.what();
  }
}

void expect_complaint(const std::string& message, const fs::path& file, std::string_view part) {
  EXPECT_NE(message.find(file.string()), std::string::npos) << message;
  EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(Shard, RoundTripNarrowAndWide) {
  const TemporaryFolder folder;
  for (const std::int64_t padding : {0, 65536 - 257, 65537 - 257, 200000}) {
    const VocabInfo vocab = describe_vocab(FakeTokenizer(std::string(64, 'b'), padding));
    const Documents documents = random_documents(7, 40, 9000, vocab.vocab_size);
    const fs::path file = folder / fmt::format("{}.h5", padding);
    write_shard(file, documents, vocab);
    EXPECT_FALSE(fs::exists(folder / fmt::format(".{}.h5.tmp", padding)));

    ShardReader reader(file, vocab.fingerprint);
    EXPECT_EQ(reader.vocab(), vocab);
    ASSERT_EQ(reader.documents(), 40);
    std::int64_t tokens = 0, bytes = 0;
    for (std::int64_t i = 0; i < 40; ++i) {
      const auto& expected = documents[static_cast<std::size_t>(i)];
      EXPECT_EQ(reader.document_begin(i), tokens);
      EXPECT_EQ(reader.document(i), expected);
      tokens += static_cast<std::int64_t>(expected.size());
      for (const TokenId token : expected) bytes += token < 256 ? 1 : 0;
    }
    EXPECT_EQ(reader.tokens(), tokens);
    EXPECT_EQ(reader.bytes(), bytes);
  }
}

TEST(Shard, SameTokensMakeTheSameBytes) {
  const TemporaryFolder folder;
  const VocabInfo vocab = describe_vocab(FakeTokenizer());
  const Documents documents = random_documents(2, 5, 100, vocab.vocab_size);
  write_shard(folder / "a.h5", documents, vocab);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5's time stamps: seconds
  write_shard(folder / "b.h5", documents, vocab);
  EXPECT_TRUE(read_bytes(folder / "a.h5") == read_bytes(folder / "b.h5"));
}

TEST(Shard, SmallCacheReadsTheSame) {
  const TemporaryFolder folder;
  const VocabInfo vocab = describe_vocab(FakeTokenizer());
  const Documents documents = random_documents(8, 9, 100000, vocab.vocab_size);
  write_shard(folder / "a.h5", documents, vocab);
  ShardReader reader(folder / "a.h5", {}, 1);
  CounterRandom random{1};
  for (int i = 0; i < 60; ++i) {
    const auto d = random.below(documents.size());
    const auto& expected = documents[d];
    const auto begin = random.below(expected.size());
    std::vector<TokenId> piece(1 + random.below(expected.size() - begin));
    reader.read(
        reader.document_begin(static_cast<std::int64_t>(d)) + static_cast<std::int64_t>(begin),
        piece);
    EXPECT_TRUE(std::equal(piece.begin(), piece.end(),
                           expected.begin() + static_cast<std::ptrdiff_t>(begin)));
  }
}

TEST(Shard, TruncatedAnywhereIsAUserError) {
  const TemporaryFolder folder;
  const VocabInfo vocab = describe_vocab(FakeTokenizer());
  write_shard(folder / "a.h5", random_documents(3, 20, 8000, vocab.vocab_size), vocab);
  const std::string bytes = read_bytes(folder / "a.h5");
  const fs::path cut = folder / "cut.h5";
  const std::size_t step = std::max<std::size_t>(1, bytes.size() / 150);
  for (std::size_t size = 0; size < bytes.size(); size += size < 200 ? 7 : step) {
    write_bytes(cut, std::string_view(bytes).substr(0, size));
    expect_complaint(complaint(cut), cut, "tokenize the text again");
  }
  write_bytes(cut, std::string_view(bytes).substr(0, bytes.size() - 1));
  expect_complaint(complaint(cut), cut, "tokenize the text again");
}

TEST(Shard, FlippedBytesNeverGiveWrongTokens) {
  const TemporaryFolder folder;
  const VocabInfo vocab = describe_vocab(FakeTokenizer());
  const Documents documents = random_documents(4, 20, 3000, vocab.vocab_size);
  write_shard(folder / "a.h5", documents, vocab);
  const std::string bytes = read_bytes(folder / "a.h5");
  const fs::path bad = folder / "bad.h5";
  CounterRandom random{11};
  int detected = 0;
  for (int i = 0; i < 400; ++i) {
    std::string damaged = bytes;
    // The first 4 KB are metadata, where a parser is at its weakest.
    const std::size_t at = random.below(i % 2 == 0 ? 4096 : bytes.size());
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
    write_bytes(bad, damaged);
    const std::string message = complaint(bad);
    if (!message.empty()) {
      expect_complaint(message, bad, ": ");
      ++detected;
      continue;
    }
    // Undetected flips must be harmless ones (unused space of the file).
    ShardReader reader(bad);
    ASSERT_EQ(reader.vocab(), vocab) << "byte " << at;
    ASSERT_EQ(reader.documents(), static_cast<std::int64_t>(documents.size())) << "byte " << at;
    for (std::size_t d = 0; d < documents.size(); ++d) {
      ASSERT_EQ(reader.document(static_cast<std::int64_t>(d)), documents[d]) << "byte " << at;
    }
  }
  EXPECT_GT(detected, 200);
}

TEST(Shard, ForeignAndMissingFiles) {
  const TemporaryFolder folder;
  expect_complaint(complaint(folder / "none.h5"), folder / "none.h5", "no such file");
  expect_complaint(complaint(folder.path()), folder.path(), "not a file");
  write_bytes(folder / "text.h5", "It was a dark and stormy night.\n");
  expect_complaint(complaint(folder / "text.h5"), folder / "text.h5", "tokenize the text again");
  write_bytes(folder / "empty.h5", "");
  expect_complaint(complaint(folder / "empty.h5"), folder / "empty.h5", "tokenize the text again");
}

TEST(Shard, AnotherTokenizerIsRefused) {
  const TemporaryFolder folder;
  write_shard(folder / "a.h5", {{1, 2, 256}}, describe_vocab(FakeTokenizer(std::string(64, 'c'))));
  expect_complaint(complaint(folder / "a.h5", std::string(64, 'd')), folder / "a.h5",
                   "another tokenizer (fingerprint cccccccccccc, expected dddddddddddd)");
  EXPECT_EQ(complaint(folder / "a.h5", std::string(64, 'c')), "");
}

// Rewrites parts of a good shard through HDF5 itself, so that all checksums are right.
class TamperedShard : public ::testing::Test {
 protected:
  TamperedShard() : file_(folder_ / "a.h5") {
    write_shard(file_, {{1, 2, 3, 256}, {4, 5, 256}, {6, 256}}, describe_vocab(FakeTokenizer()));
    id_ = H5Fopen(file_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  }
  void set_attribute(const char* name, std::int64_t value) {
    const hid_t attribute = H5Aopen(id_, name, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_INT64, &value);
    H5Aclose(attribute);
  }
  void set_value(const char* name, hsize_t at, std::int64_t value) {
    const hid_t dataset = H5Dopen2(id_, name, H5P_DEFAULT);
    const hid_t space = H5Dget_space(dataset);
    const hsize_t one = 1;
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &at, nullptr, &one, nullptr);
    const hid_t scalar = H5Screate_simple(1, &one, nullptr);
    H5Dwrite(dataset, H5T_NATIVE_INT64, scalar, space, H5P_DEFAULT, &value);
    H5Sclose(scalar);
    H5Sclose(space);
    H5Dclose(dataset);
  }
  void resize(const char* name, hsize_t size) {
    const hid_t dataset = H5Dopen2(id_, name, H5P_DEFAULT);
    H5Dset_extent(dataset, &size);
    H5Dclose(dataset);
  }
  void replace_dataset(const char* name, hid_t type, hsize_t size, hsize_t chunk) {
    H5Ldelete(id_, name, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(1, &size, nullptr);
    const hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk > 0) H5Pset_chunk(create, 1, &chunk);
    H5Dclose(H5Dcreate2(id_, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT));
    H5Pclose(create);
    H5Sclose(space);
  }
  void expect(std::string_view part) {
    H5Fclose(id_);
    expect_complaint(complaint(file_), file_, part);
  }

  TemporaryFolder folder_;
  fs::path file_;
  hid_t id_;
};

TEST_F(TamperedShard, Untouched) {
  H5Fclose(id_);
  EXPECT_EQ(complaint(file_), "");
}
TEST_F(TamperedShard, TokenOutsideTheVocabulary) {
  set_value("tokens", 5, 300);
  expect("token 300 at position 5 is outside the vocabulary of 257");
}
TEST_F(TamperedShard, OffsetsNotAscending) {
  set_value("documents", 2, 3);
  expect("document offset 2 is 3");
}
TEST_F(TamperedShard, OffsetsBehindTheEnd) {
  set_value("documents", 3, 1000);
  expect("document offset 3 is 1000");
}
TEST_F(TamperedShard, OffsetsStartLate) {
  set_value("documents", 0, 1);
  expect("document offset 0 is 1");
}
TEST_F(TamperedShard, OffsetsMissTheEnd) {
  set_value("documents", 3, 8);
  expect("the last document ends before the last token");
}
TEST_F(TamperedShard, AbsurdTokenCount) {
  resize("tokens", hsize_t{1} << 50);
  expect("more than the file can hold");
}
TEST_F(TamperedShard, AbsurdDocumentCount) {
  resize("documents", hsize_t{1} << 50);
  expect("more than the file can hold");
}
TEST_F(TamperedShard, CountsDisagree) {
  set_attribute("token_count", 10);
  expect("'tokens' has 9 values, the header says 10");
}
TEST_F(TamperedShard, AbsurdVocabulary) {
  set_attribute("vocab_size", std::int64_t{1} << 40);
  expect("vocabulary of 1099511627776 tokens");
}
TEST_F(TamperedShard, VocabularyOfAnotherSize) {
  set_attribute("vocab_size", 258);
  expect("has 257 values for a vocabulary of 258");
}
TEST_F(TamperedShard, EosOutsideTheVocabulary) {
  set_attribute("eos", 257);
  expect("end-of-document token 257");
}
TEST_F(TamperedShard, NewerFormat) {
  set_attribute("format_version", 2);
  expect("shard format 2, this program reads format 1");
}
TEST_F(TamperedShard, NeverCompleted) {
  H5Adelete(id_, "complete");
  expect("never completed");
}
TEST_F(TamperedShard, NoFingerprint) {
  H5Adelete(id_, "tokenizer_fingerprint");
  expect("tokenizer_fingerprint");
}
TEST_F(TamperedShard, NoDocuments) {
  H5Ldelete(id_, "documents", H5P_DEFAULT);
  expect("cannot read 'documents'");
}
TEST_F(TamperedShard, FloatTokens) {
  replace_dataset("tokens", H5T_IEEE_F32LE, 9, 9);
  expect("'tokens' is not made of 2-byte integers");
}
TEST_F(TamperedShard, WideTokensOfASmallVocabulary) {
  replace_dataset("tokens", H5T_STD_U32LE, 9, 9);
  expect("'tokens' is not made of 2-byte integers");
}
TEST_F(TamperedShard, UnchunkedTokens) {
  replace_dataset("tokens", H5T_STD_U16LE, 9, 0);
  expect("'tokens' is not chunked");
}
TEST_F(TamperedShard, AbsurdChunks) {
  replace_dataset("tokens", H5T_STD_U16LE, hsize_t{1} << 30, hsize_t{1} << 30);
  expect("chunks of an absurd size");
}
TEST_F(TamperedShard, UnwrittenTokens) {
  replace_dataset("tokens", H5T_STD_U16LE, 1 << 20, 1 << 10);
  expect("more than the file can hold");
}

TEST(ShardWriter, KeepsAnExistingShardUnlessTold) {
  const TemporaryFolder folder;
  const VocabInfo vocab = describe_vocab(FakeTokenizer());
  write_shard(folder / "a.h5", {{1, 256}}, vocab);
  const std::string before = read_bytes(folder / "a.h5");
  EXPECT_THROW(ShardWriter(folder / "a.h5", vocab), core::UserError);
  EXPECT_EQ(read_bytes(folder / "a.h5"), before);
  ShardWriter writer(folder / "a.h5", vocab, true);
  writer.append(std::vector<TokenId>{9, 9, 256});
  writer.end_document();
  writer.seal();
  EXPECT_EQ(read_bytes(folder / "a.h5"), before);
  writer.publish();
  EXPECT_EQ(ShardReader(folder / "a.h5").tokens(), 3);
}

TEST(ShardWriter, LeavesNothingWhenAbandoned) {
  const TemporaryFolder folder;
  {
    ShardWriter writer(folder / "a.h5", describe_vocab(FakeTokenizer()));
    writer.append(std::vector<TokenId>{1, 2, 3});
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ShardWriter, MissingFolderIsAUserError) {
  const TemporaryFolder folder;
  EXPECT_THROW(ShardWriter(folder / "no/such/a.h5", describe_vocab(FakeTokenizer())),
               core::UserError);
}

TEST(ShardWriter, MisuseIsABug) {
  const TemporaryFolder folder;
  ShardWriter writer(folder / "a.h5", describe_vocab(FakeTokenizer()));
  EXPECT_THROW(writer.append(std::vector<TokenId>{257}), core::InternalError);
  EXPECT_THROW(writer.append(std::vector<TokenId>{-1}), core::InternalError);
  EXPECT_THROW(writer.end_document(), core::InternalError);
  EXPECT_THROW(writer.seal(), core::InternalError);
  EXPECT_THROW(writer.publish(), core::InternalError);
}

TEST(ShardWriter, FullDiskIsAUserErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  const VocabInfo vocab = describe_vocab(FakeTokenizer());
  const Documents documents = random_documents(5, 40, 20000, vocab.vocab_size);
  for (const rlim_t limit : {0, 100, 1000, 3000, 100000, 300000}) {
    const FileSizeLimit full(limit);
    try {
      write_shard(folder / "a.h5", documents, vocab);
      ADD_FAILURE() << "wrote through a limit of " << limit;
    } catch (const core::UserError& error) {
      expect_complaint(error.what(), folder / "a.h5", "free some space");
    }
    EXPECT_TRUE(fs::is_empty(folder.path())) << limit;
  }
}

TEST(FindShards, FilesAndFolders) {
  const TemporaryFolder folder;
  const VocabInfo vocab = describe_vocab(FakeTokenizer());
  fs::create_directory(folder / "none");
  for (const char* name : {"b.h5", "a.h5"}) write_shard(folder / name, {{1, 256}}, vocab);
  write_bytes(folder / "tokenizer.json", "{}");
  write_bytes(folder / ".c.h5.tmp", "");
  const std::vector<fs::path> expected = {folder / "b.h5", folder / "a.h5", folder / "b.h5"};
  EXPECT_EQ(find_shards({(folder / "b.h5").string(), folder.path().string()}), expected);
  EXPECT_THROW(find_shards({(folder / "none").string()}), core::UserError);
  EXPECT_THROW(find_shards({(folder / "missing").string()}), core::UserError);
  EXPECT_THROW(find_shards({}), core::UserError);
}

}  // namespace
}  // namespace unfold::data
