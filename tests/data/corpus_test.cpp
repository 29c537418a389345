#include "data/corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "core/error.h"
#include "data/counter_random.h"
#include "data/shard.h"
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

std::string random_text(std::uint64_t seed, std::size_t size) {
  CounterRandom random{seed};
  std::string text;
  while (text.size() < size) {
    text += random.below(6) == 0 ? ' ' : static_cast<char>('a' + random.below(26));
    if (random.below(60) == 0) text += '\n';
  }
  return text;
}

// The text of every document in the shards; a document without eos goes on in the next shard.
std::vector<std::string> texts_of(const std::vector<fs::path>& shards) {
  std::vector<std::string> texts;
  std::string text;
  for (const fs::path& path : shards) {
    ShardReader shard(path);
    for (std::int64_t d = 0; d < shard.documents(); ++d) {
      const auto tokens = shard.document(d);
      const bool ends = tokens.back() == 256;
      EXPECT_TRUE(ends || d + 1 == shard.documents());
      EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 256), ends ? 1 : 0);
      text.append(tokens.begin(), tokens.end() - (ends ? 1 : 0));
      if (ends) texts.push_back(std::exchange(text, {}));
    }
  }
  EXPECT_TRUE(text.empty());
  return texts;
}

class CorpusTest : public ::testing::Test {
 protected:
  CorpusStats run(const CorpusOptions& options = {}) {
    return tokenize_corpus({in_.path()}, tokenizer_, out_, options);
  }
  bool out_has_shards() const {
    if (!fs::exists(out_)) return false;
    return std::any_of(fs::directory_iterator(out_), fs::directory_iterator(),
                       [](const auto& entry) {
                         return entry.path().filename().string().find(".h5") != std::string::npos;
                       });
  }

  FakeTokenizer tokenizer_;
  TemporaryFolder in_, folder_;
  fs::path out_ = folder_ / "made/on/the/way";
};

TEST_F(CorpusTest, TextMarkdownAndJsonLines) {
  write_bytes(in_ / "a.txt", "First text.\n");
  write_bytes(in_ / "b.md", "# Second\n\ntext\n");
  write_bytes(in_ / "c.jsonl", "{\"text\": \"third\"}\n{\"text\": \"fo\\u0075rth\"}\n");
  const CorpusStats stats = run();
  const std::vector<std::string> expected = {"First text.\n", "# Second\n\ntext\n", "third",
                                             "fourth"};
  EXPECT_EQ(texts_of(stats.shards), expected);
  EXPECT_EQ(stats.documents, 4);
  EXPECT_EQ(stats.bytes, 12 + 15 + 5 + 6);
  EXPECT_EQ(stats.tokens, stats.bytes + 4);
  EXPECT_EQ(stats.shards, std::vector{out_ / "shard-00000.h5"});
  EXPECT_EQ(ShardReader(stats.shards[0]).vocab(), describe_vocab(tokenizer_));
  EXPECT_EQ(read_bytes(out_ / "tokenizer.json"), "{\"fake\": true}\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(out_), fs::directory_iterator()), 2);
}

TEST_F(CorpusTest, SameShardsForAnyNumberOfThreads) {
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    expected.push_back(random_text(static_cast<std::uint64_t>(i), i % 10 == 0 ? 300000 : 20000));
    write_bytes(in_ / fmt::format("{:02}.txt", i), expected.back());
  }
  CorpusOptions options;
  options.shard_tokens = 400000;
  options.reader.piece_bytes = 50000;
  std::vector<std::string> contents;
  for (const int threads : {1, 2, 7, 0}) {
    options.threads = threads;
    out_ = folder_ / fmt::format("out{}", threads);
    const CorpusStats stats = run(options);
    EXPECT_EQ(texts_of(stats.shards), expected);
    EXPECT_EQ(stats.documents, 40);
    EXPECT_EQ(stats.shards.size(), 5u);
    std::vector<std::string> found;
    for (const fs::path& shard : stats.shards) {
      EXPECT_LE(ShardReader(shard).tokens(), 400000 + 50001);
      found.push_back(read_bytes(shard));
    }
    if (contents.empty()) contents = found;
    EXPECT_TRUE(found == contents) << threads << " threads";
  }
}

TEST_F(CorpusTest, ProgressEndsAtTheTotal) {
  for (int i = 0; i < 9; ++i) {
    write_bytes(in_ / fmt::format("{}.txt", i), random_text(static_cast<std::uint64_t>(i), 100000));
  }
  std::vector<CorpusProgress> calls;
  const CorpusStats stats = tokenize_corpus({in_.path()}, tokenizer_, out_, {},
                                            [&](const CorpusProgress& p) { calls.push_back(p); });
  ASSERT_GE(calls.size(), 3u);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_LE(calls[i].bytes_done, calls[i].bytes_total);
    EXPECT_GT(calls[i].tokens, i == 0 ? 0 : calls[i - 1].tokens);
  }
  EXPECT_EQ(calls.back().bytes_done, calls.back().bytes_total);
  EXPECT_EQ(calls.back().tokens, stats.tokens);
}

TEST_F(CorpusTest, EmptyAndInvalidInputIsAUserErrorAndLeavesNoShard) {
  write_bytes(in_ / "a.txt", random_text(1, 400000));
  for (const auto& [name, bytes] : std::vector<std::pair<std::string, std::string>>{
           {"b.txt", ""}, {"b.txt", "caf\xe9"}, {"b.jsonl", "{\"text\": 3}\n"}}) {
    write_bytes(in_ / name, bytes);
    try {
      run();
      ADD_FAILURE() << name << " was accepted";
    } catch (const core::UserError& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
    EXPECT_FALSE(out_has_shards());
    fs::remove(in_ / name);
  }
  EXPECT_THROW(tokenize_corpus({}, tokenizer_, out_), core::UserError);
  EXPECT_THROW(tokenize_corpus({in_ / "none.txt"}, tokenizer_, out_), core::UserError);
  EXPECT_FALSE(out_has_shards());
}

TEST_F(CorpusTest, InvalidUtf8CanBeReplaced) {
  write_bytes(in_ / "a.txt", "caf\xe9 noir");
  CorpusOptions options;
  options.reader.invalid_utf8 = InvalidUtf8::replace;
  EXPECT_EQ(texts_of(run(options).shards), std::vector<std::string>{"caf\xef\xbf\xbd noir"});
}

TEST_F(CorpusTest, ExistingShardsStayUnlessTold) {
  CorpusOptions options;
  options.shard_tokens = 1000;
  write_bytes(in_ / "a.txt", random_text(1, 3000));
  write_bytes(in_ / "b.txt", random_text(2, 3000));
  ASSERT_EQ(run(options).shards.size(), 2u);
  const std::string before = read_bytes(out_ / "shard-00001.h5");
  EXPECT_THROW(run(options), core::UserError);
  EXPECT_EQ(read_bytes(out_ / "shard-00001.h5"), before);

  // A smaller corpus in the same place: no shard of the old one may stay beside it.
  options.overwrite = true;
  fs::remove(in_ / "b.txt");
  EXPECT_EQ(run(options).shards.size(), 1u);
  EXPECT_FALSE(fs::exists(out_ / "shard-00001.h5"));
}

TEST_F(CorpusTest, ATokenizerInTheFolderStaysWhenItIsTheSame) {
  write_bytes(in_ / "a.txt", "text");
  const auto byte_tokenizer = load_tokenizer("byte");
  fs::create_directories(out_);
  byte_tokenizer->save(out_ / "tokenizer.json");
  // Another layout of the same tokenizer, as if it came from elsewhere.
  write_bytes(out_ / "tokenizer.json", read_bytes(out_ / "tokenizer.json") + "\n\n");
  const std::string before = read_bytes(out_ / "tokenizer.json");
  tokenize_corpus({in_.path()}, *byte_tokenizer, out_);
  EXPECT_EQ(read_bytes(out_ / "tokenizer.json"), before);

  fs::remove(out_ / "shard-00000.h5");
  EXPECT_THROW(run(), core::UserError);  // the fake tokenizer is another one
  EXPECT_EQ(read_bytes(out_ / "tokenizer.json"), before);
  EXPECT_FALSE(out_has_shards());
  run({.overwrite = true});
  EXPECT_EQ(read_bytes(out_ / "tokenizer.json"), "{\"fake\": true}\n");
}

TEST_F(CorpusTest, AnUnwritableFolderIsAUserError) {
  write_bytes(in_ / "a.txt", "text");
  write_bytes(folder_ / "file", "");
  out_ = folder_ / "file";
  EXPECT_THROW(run(), core::UserError);
  out_ = folder_ / "file/below";
  EXPECT_THROW(run(), core::UserError);
  EXPECT_EQ(read_bytes(folder_ / "file"), "");
}

TEST_F(CorpusTest, AFullDiskLeavesNoShard) {
  for (int i = 0; i < 6; ++i) {
    write_bytes(in_ / fmt::format("{}.txt", i), random_text(static_cast<std::uint64_t>(i), 400000));
  }
  CorpusOptions options;
  options.shard_tokens = 1 << 20;
  for (const rlim_t limit : {1000, 300000}) {
    const FileSizeLimit full(limit);
    EXPECT_THROW(run(options), core::UserError);
    EXPECT_FALSE(out_has_shards());
  }
}

// An error inside the encoding threads must come out, once, and end all of them.
class FailingTokenizer final : public Tokenizer {
 public:
  std::string_view kind() const override { return base_.kind(); }
  std::int64_t vocab_size() const override { return base_.vocab_size(); }
  std::vector<TokenId> encode(std::string_view text) const override {
    core::require(calls_++ < 3, "test", "out of luck");
    return base_.encode(text);
  }
  std::string_view token_bytes(TokenId id) const override { return base_.token_bytes(id); }
  bool is_special(TokenId id) const override { return base_.is_special(id); }
  TokenId eos() const override { return base_.eos(); }
  std::optional<TokenId> bos() const override { return base_.bos(); }
  std::string fingerprint() const override { return base_.fingerprint(); }
  void save(const fs::path& file) const override { base_.save(file); }

 private:
  FakeTokenizer base_;
  mutable std::atomic<int> calls_ = 0;
};

TEST_F(CorpusTest, ErrorsOfTheThreadsReachTheCaller) {
  for (int i = 0; i < 30; ++i) {
    write_bytes(in_ / fmt::format("{:02}.txt", i), random_text(1, 100000));
  }
  const FailingTokenizer failing;
  EXPECT_THROW(tokenize_corpus({in_.path()}, failing, out_, {.threads = 3}), core::UserError);
  EXPECT_FALSE(out_has_shards());
}

TEST_F(CorpusTest, SenselessOptionsAreAUserError) {
  write_bytes(in_ / "a.txt", "text");
  EXPECT_THROW(run({.shard_tokens = 0}), core::UserError);
  EXPECT_THROW(run({.threads = -1}), core::UserError);
  EXPECT_FALSE(fs::exists(out_));
}

}  // namespace
}  // namespace unfold::data
