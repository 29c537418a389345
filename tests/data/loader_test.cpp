#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "data/counter_random.h"
#include "data/shard_rows.h"
#include "gsa/insertion.h"
#include "tests/data/fake_tokenizer.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;
using testing::FakeTokenizer;
using testing::TemporaryFolder;
using Documents = std::vector<std::vector<TokenId>>;

// One row of a batch, comparable.
struct Row {
  std::vector<TokenId> tokens, targets;
  std::vector<std::int8_t> level;
  std::vector<std::int32_t> document, rope;
  auto operator<=>(const Row&) const = default;
};

std::vector<Row> rows_of(const Batch& batch) {
  std::vector<Row> rows;
  const auto length = static_cast<std::ptrdiff_t>(batch.layout.length);
  const auto cut = [&](const auto& values, std::ptrdiff_t row) {
    return std::vector(values.begin() + row * length, values.begin() + (row + 1) * length);
  };
  for (std::ptrdiff_t r = 0; r < batch.layout.rows; ++r) {
    rows.push_back({cut(batch.tokens, r), cut(batch.targets, r), cut(batch.layout.level, r),
                    cut(batch.layout.document, r), cut(batch.layout.rope, r)});
  }
  return rows;
}

std::vector<Row> take_rows(Loader& loader, int batches, std::int64_t rows_a_batch) {
  std::vector<Row> rows;
  for (int i = 0; i < batches; ++i) {
    for (Row& row : rows_of(loader.next(rows_a_batch))) rows.push_back(std::move(row));
  }
  return rows;
}

// Words of random length, then eos: the bytes of a document of the fake tokenizer.
std::vector<TokenId> random_document(CounterRandom& random, std::int64_t longest) {
  std::vector<TokenId> document(random.below(static_cast<std::uint64_t>(longest)));
  for (TokenId& token : document) {
    token = random.below(5) == 0 ? ' ' : static_cast<TokenId>('a' + random.below(26));
  }
  document.push_back(256);
  return document;
}

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    CounterRandom random{77};
    for (int s = 0; s < 3; ++s) {
      shards_.push_back(folder_ / fmt::format("{}.h5", s));
      ShardWriter writer(shards_.back(), describe_vocab(tokenizer_));
      documents_.emplace_back();
      for (int d = 0; d < 12 + 9 * s; ++d) {
        documents_.back().push_back(random_document(random, d % 5 == 0 ? 400 : 30));
        writer.append(documents_.back().back());
        writer.end_document();
      }
      writer.finish();
    }
  }

  RowFormat format(std::vector<std::int64_t> chunks = {4}, std::int64_t row_length = 64,
                   gsa::InsertionRule rule = gsa::InsertionRule::word) const {
    RowFormat result;
    result.gist.chunks = std::move(chunks);
    result.gist.rule = rule;
    result.row_length = row_length;
    result.vocab = describe_vocab(tokenizer_);
    result.first_gist = 257;
    for (TokenId id = 0; id < 257; ++id) {
      result.starts_word.push_back(gsa::starts_word(tokenizer_.token_bytes(id)) ? 1 : 0);
    }
    return result;
  }

  Loader loader(LoaderState state = {}, std::int64_t prefetch = 2) const {
    return Loader(shards_, format(), state, prefetch);
  }

  // Number of rows of the first epoch; it depends on how the documents fall, hence on the seed.
  int rows_an_epoch(const RowFormat& row_format, std::uint64_t seed) const {
    Loader counting(shards_, row_format, {.seed = seed}, 2);
    int rows = 0;
    for (counting.next(1); counting.state().epoch == 0; counting.next(1)) ++rows;
    return rows;
  }

  FakeTokenizer tokenizer_;
  TemporaryFolder folder_;
  std::vector<fs::path> shards_;
  std::vector<Documents> documents_;
};

TEST_F(LoaderTest, RowsAreWellFormed) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{}, {4}, {8}, {3, 2}, {1}}) {
    for (const std::int64_t length : {9, 64, 1000}) {
      const RowFormat row_format = format(chunks, length);
      Loader loader(shards_, row_format, {.seed = 3}, 2);
      for (int i = 0; i < 20; ++i) {
        const Batch batch = loader.next(3);
        ASSERT_EQ(batch.layout.rows, 3);
        ASSERT_EQ(batch.layout.length, length);
        ASSERT_EQ(batch.layout.levels, static_cast<int>(chunks.size()));
        std::int64_t valid = 0, bytes = 0;
        for (const Row& row : rows_of(batch)) {
          ASSERT_EQ(row.document[0], 0) << "a row of padding only";
          for (std::size_t t = 0; t < row.tokens.size(); ++t) {
            if (row.document[t] < 0) {
              EXPECT_EQ(row.tokens[t], 0);
              EXPECT_EQ(row.level[t], -1);
              EXPECT_EQ(row.targets[t], kIgnoredTarget);
              continue;
            }
            if (row.level[t] >= 0) {
              EXPECT_EQ(row.tokens[t], 257 + row.level[t]);
            } else {
              EXPECT_LT(row.tokens[t], 257);
            }
            const bool has_target = t + 1 < row.tokens.size() &&
                                    row.document[t + 1] == row.document[t] && row.level[t + 1] < 0;
            EXPECT_EQ(row.targets[t], has_target ? row.tokens[t + 1] : kIgnoredTarget);
            if (!has_target) continue;
            ++valid;
            bytes += row.tokens[t + 1] < 256 ? 1 : 0;
          }
        }
        EXPECT_EQ(batch.valid_targets, valid);
        EXPECT_EQ(batch.target_bytes, bytes);
      }
    }
  }
}

// A model may have more raw rows than the tokenizer has entries: its gists stand behind all of
// them.
TEST_F(LoaderTest, GistsStandBehindTheModelsVocabulary) {
  const RowFormat row_format = make_row_format(tokenizer_, {.chunks = {4}}, 64, 300);
  const Batch batch = Loader(shards_, row_format, {.seed = 3}, 0).next(2);
  int gists = 0;
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    if (batch.layout.level[i] < 0) continue;
    EXPECT_EQ(batch.tokens[i], 300);
    ++gists;
  }
  EXPECT_GT(gists, 10);
}

// Each piece of a document must carry exactly the gists insertion gives it on its own.
TEST_F(LoaderTest, PiecesCarryTheGistsOfInsertion) {
  const RowFormat row_format = format({4, 2});
  Loader loader(shards_, row_format, {.seed = 1}, 0);
  for (int i = 0; i < 30; ++i) {
    const Row row = rows_of(loader.next(1))[0];
    for (std::int32_t document = 0;
         document <= *std::max_element(row.document.begin(), row.document.end()); ++document) {
      std::vector<std::uint8_t> words;
      std::vector<std::int8_t> levels, expected;
      for (std::size_t t = 0; t < row.tokens.size(); ++t) {
        if (row.document[t] != document) continue;
        levels.push_back(row.level[t]);
        if (row.level[t] >= 0) continue;
        words.push_back(row_format.starts_word[static_cast<std::size_t>(row.tokens[t])]);
      }
      for (const gsa::Element& element :
           gsa::insert_gists(static_cast<std::int64_t>(words.size()), words, row_format.gist)) {
        expected.push_back(element.level);
      }
      EXPECT_EQ(levels, expected);
    }
  }
}

// What the rows of an epoch hold, cut behind every end of a document.
std::multiset<std::vector<TokenId>> joined(const std::vector<Row>& rows) {
  std::multiset<std::vector<TokenId>> found;
  std::vector<TokenId> open;
  for (const Row& row : rows) {
    for (std::size_t t = 0; t < row.tokens.size(); ++t) {
      if (row.document[t] < 0 || row.level[t] >= 0) continue;
      open.push_back(row.tokens[t]);
      if (row.tokens[t] == 256) found.insert(std::exchange(open, {}));
    }
  }
  EXPECT_TRUE(open.empty());
  return found;
}

// In the order of the files the pieces of a cut document follow each other: joined, they are the
// documents again.
TEST_F(LoaderTest, UnshuffledEveryDocumentOnceAnEpoch) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{}, {4}, {3, 2}}) {
    const LoaderOptions in_order = {.prefetch = 0, .shuffle = false};
    Loader loader(std::make_unique<TokenShards>(shards_, format(chunks, 50)), {}, in_order);
    std::vector<Row> rows;
    do rows.push_back(rows_of(loader.next(1))[0]);
    while (loader.state().epoch == 0);
    rows.pop_back();  // the first of the next epoch
    std::multiset<std::vector<TokenId>> expected;
    for (const Documents& shard : documents_) expected.insert(shard.begin(), shard.end());
    EXPECT_EQ(joined(rows), expected);
  }
}

TEST_F(LoaderTest, EveryTokenOnceAnEpoch) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{}, {4}, {3, 2}}) {
    const RowFormat row_format = format(chunks, 50);
    Loader loader(shards_, row_format, {.seed = 9}, 3);
    std::map<TokenId, int> found, expected;
    for (const Row& row : take_rows(loader, rows_an_epoch(row_format, 9), 1)) {
      for (std::size_t t = 0; t < row.tokens.size(); ++t) {
        if (row.document[t] >= 0 && row.level[t] < 0) ++found[row.tokens[t]];
      }
    }
    for (const Documents& shard : documents_) {
      for (const std::vector<TokenId>& document : shard) {
        for (const TokenId token : document) ++expected[token];
      }
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(loader.state().epoch, 0);
    loader.next(1);
    EXPECT_EQ(loader.state(), (LoaderState{.seed = 9, .epoch = 1, .shard = 0, .index = 1}));
  }
}

// Equal pieces that hold the documents' tokens in order, none of them a stump.
TEST_F(LoaderTest, LongDocumentsAreCutIntoEqualPieces) {
  for (const fs::path& shard : shards_) {
    const ShardReader reader(shard, format().vocab.fingerprint);
    EXPECT_EQ(cut_documents(reader, std::nullopt).size(),
              static_cast<std::size_t>(reader.documents()));
    std::int64_t at = 0, cuts = 0;
    for (const Piece& piece : cut_documents(reader, 10)) {
      EXPECT_EQ(piece.begin, at);
      EXPECT_LT(piece.end - piece.begin, 20);
      at = piece.end;
      if (piece.end - piece.begin >= 10) ++cuts;
    }
    EXPECT_EQ(at, reader.document_begin(reader.documents()));
    EXPECT_GT(cuts, 0);
  }
}

TEST_F(LoaderTest, CutPiecesHoldTwoTokens) {
  const RowFormat row_format = format({4}, 20);
  Loader loader(shards_, row_format, {.seed = 2}, 2);
  std::size_t raw = 0, full = 0;
  for (const Row& row : take_rows(loader, 150, 1)) {
    std::vector<std::size_t> sizes;
    TokenId last = 0;
    for (std::size_t t = 0; t < row.tokens.size(); ++t) {
      if (row.document[t] < 0 || row.level[t] >= 0) continue;
      sizes.resize(static_cast<std::size_t>(row.document[t]) + 1);
      ++sizes.back();
      last = row.tokens[t];
      ++raw;
    }
    // The last piece of a row is cut unless its eos is there.
    EXPECT_TRUE(last == 256 || sizes.back() >= 2);
    // The first piece is a rest of one token only if the whole document had one.
    EXPECT_TRUE(row.tokens[0] == 256 || sizes.front() >= 2);
    full += std::count(row.document.begin(), row.document.end(), -1) <= 3 ? 1 : 0;
  }
  EXPECT_GT(raw, 150u * 10u);
  EXPECT_GT(full, 140u);  // rows are packed tightly
}

TEST_F(LoaderTest, SameRowsForAnyNumberOfRanksAndThreads) {
  Loader single = loader({.seed = 4});
  const auto expected = take_rows(single, 15, 12);
  for (const std::int64_t ranks : {1, 2, 3, 4}) {
    for (const std::int64_t prefetch : {0, 3}) {
      std::vector<Loader> loaders;
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        loaders.push_back(loader({.seed = 4}, prefetch));
      }
      std::vector<Row> found;
      for (int step = 0; step < 15; ++step) {
        for (std::int64_t rank = 0; rank < ranks; ++rank) {
          const std::int64_t count = 12 / ranks;
          const Batch batch = loaders[static_cast<std::size_t>(rank)].next(12, rank * count, count);
          for (Row& row : rows_of(batch)) found.push_back(std::move(row));
        }
      }
      EXPECT_EQ(found, expected) << ranks << " ranks";
      for (const Loader& rank : loaders) EXPECT_EQ(rank.state(), single.state());
    }
  }
}

TEST_F(LoaderTest, RowsDoNotDependOnTheBatchSize) {
  Loader by_one = loader(), by_seven = loader(), mixed = loader();
  const auto expected = take_rows(by_one, 70, 1);
  EXPECT_EQ(take_rows(by_seven, 10, 7), expected);
  std::vector<Row> found;
  for (const int size : {1, 2, 3, 4, 5, 5, 4, 6, 20, 10, 9, 1}) {
    for (Row& row : take_rows(mixed, 1, size)) found.push_back(std::move(row));
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(mixed.state(), by_one.state());
}

TEST_F(LoaderTest, ResumesExactlyFromEveryState) {
  Loader whole = loader({.seed = 8});
  std::vector<LoaderState> states;
  std::vector<Row> rows;
  const int epochs_rows = 2 * rows_an_epoch(format(), 8);
  for (int i = 0; i < epochs_rows + 10; ++i) {
    states.push_back(whole.state());
    rows.push_back(rows_of(whole.next(1))[0]);
  }
  EXPECT_GE(states.back().epoch, 2);
  for (std::size_t i = 0; i + 5 < states.size(); ++i) {
    Loader resumed = loader(states[i], i % 3 == 0 ? 2 : 0);
    EXPECT_EQ(resumed.state(), states[i]);
    for (std::size_t k = 0; k < 5; ++k) {
      ASSERT_EQ(rows_of(resumed.next(1))[0], rows[i + k]) << "state " << i;
    }
    EXPECT_EQ(resumed.state(), states[i + 5]);
  }
}

TEST_F(LoaderTest, SeedsAndEpochsDiffer) {
  const auto rows = static_cast<std::int64_t>(rows_an_epoch(format(), 0));
  std::set<std::vector<Row>> orders;
  for (const std::uint64_t seed : {0, 1, 2}) {
    Loader loaded = loader({.seed = seed});
    orders.insert(take_rows(loaded, 1, rows - 4));
    loaded = loader({.seed = seed, .epoch = 1});
    orders.insert(take_rows(loaded, 1, rows - 4));
  }
  EXPECT_EQ(orders.size(), 6u);
}

TEST_F(LoaderTest, EpochsVisitTheShardsInDifferentOrders) {
  std::set<std::vector<std::vector<TokenId>>> firsts;
  for (std::int64_t epoch = 0; epoch < 12; ++epoch) {
    std::vector<std::vector<TokenId>> order;
    for (std::int64_t shard = 0; shard < 3; ++shard) {
      Loader at = loader({.seed = 1, .epoch = epoch, .shard = shard}, 0);
      const Row row = rows_of(at.next(1))[0];
      // Which shard this is: the one that holds the first document of the row.
      std::vector<TokenId> start;
      for (std::size_t t = 0; t < row.tokens.size() && row.document[t] == 0; ++t) {
        if (row.level[t] < 0) start.push_back(row.tokens[t]);
      }
      order.push_back(start);
    }
    firsts.insert(order);
  }
  EXPECT_EQ(firsts.size(), 12u);
}

TEST_F(LoaderTest, AStateOfOtherDataIsAUserError) {
  EXPECT_THROW(loader({.shard = 3}), core::UserError);
  EXPECT_THROW(loader({.shard = -1}), core::UserError);
  EXPECT_THROW(loader({.epoch = -1}), core::UserError);
  EXPECT_THROW(loader({.index = -1}), core::UserError);
  Loader behind = loader({.index = 5000});
  EXPECT_THROW(behind.next(1), core::UserError);
}

TEST_F(LoaderTest, DamagedOrForeignShardsAreRefusedAtOnce) {
  RowFormat other = format();
  other.vocab.fingerprint = std::string(64, 'f');
  EXPECT_THROW(Loader(shards_, other, {}), core::UserError);
  EXPECT_THROW(Loader({}, format(), {}), core::UserError);
  shards_.push_back(folder_ / "none.h5");
  EXPECT_THROW(loader(), core::UserError);
  testing::write_bytes(shards_.back(), "nonsense");
  EXPECT_THROW(loader(), core::UserError);
}

TEST_F(LoaderTest, ErrorsOfThePrefetchThreadReachTheCaller) {
  const auto remember = testing::read_bytes(shards_[1]);
  for (const std::int64_t prefetch : {0, 2}) {
    Loader loaded = loader({.seed = 4}, prefetch);
    Loader healthy = loader({.seed = 4}, prefetch);
    fs::remove(shards_[1]);
    std::int64_t delivered = 0;
    EXPECT_THROW(
        {
          for (; delivered < 10000; ++delivered) loaded.next(1);
        },
        core::UserError);
    EXPECT_LT(delivered, 10000);
    // The state is that of the last good batch, and the next call tries again from there.
    EXPECT_THROW(loaded.next(1), core::UserError);
    testing::write_bytes(shards_[1], remember);
    std::vector<Row> expected;
    for (std::int64_t i = 0; i <= delivered; ++i) expected = rows_of(healthy.next(1));
    EXPECT_EQ(rows_of(loaded.next(1)), expected);
  }
}

TEST_F(LoaderTest, EndsCleanlyWithBatchesInTheQueue) {
  for (int i = 0; i < 20; ++i) {
    Loader started = loader({.seed = static_cast<std::uint64_t>(i)}, 4);
    started.next(2);
  }
  Loader moved = loader();
  moved.next(1);
  Loader target = std::move(moved);
  EXPECT_EQ(target.next(1).layout.rows, 1);
}

TEST_F(LoaderTest, ValidationRowsAreFixedAndInOrder) {
  const RowFormat row_format = format();
  const auto batches = validation_batches(shards_, row_format, 7, 3);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].layout.rows, 3);
  EXPECT_EQ(batches[2].layout.rows, 1);
  std::vector<TokenId> text, expected;
  for (const Batch& batch : batches) {
    for (std::size_t t = 0; t < batch.tokens.size(); ++t) {
      if (batch.layout.document[t] >= 0 && batch.layout.level[t] < 0) {
        text.push_back(batch.tokens[t]);
      }
    }
  }
  for (const auto& document : documents_[0]) {
    expected.insert(expected.end(), document.begin(), document.end());
  }
  ASSERT_LT(text.size(), expected.size());
  expected.resize(text.size());
  EXPECT_EQ(text, expected);

  // More rows than there are: all of them.
  std::int64_t rows = 0, tokens = 0;
  for (const Batch& batch : validation_batches(shards_, row_format, 100000, 8)) {
    rows += batch.layout.rows;
    for (std::size_t t = 0; t < batch.tokens.size(); ++t) {
      tokens += batch.layout.document[t] >= 0 && batch.layout.level[t] < 0;
    }
  }
  std::int64_t all = 0;
  for (const fs::path& shard : shards_) all += ShardReader(shard).tokens();
  EXPECT_EQ(tokens, all);
  EXPECT_LT(rows, 100000);
  EXPECT_THROW(validation_batches({}, row_format, 1, 1), core::UserError);
}

// A long document is never in memory as a whole: the shard's cache is the bound.
TEST_F(LoaderTest, LongDocumentsArePackedPieceByPiece) {
  CounterRandom random{5};
  const fs::path shard = folder_ / "long.h5";
  std::vector<TokenId> document(1000000);
  for (TokenId& token : document) token = static_cast<TokenId>('a' + random.below(26));
  document.back() = 256;
  {
    ShardWriter writer(shard, describe_vocab(tokenizer_));
    writer.append(document);
    writer.end_document();
    writer.finish();
  }
  const LoaderOptions in_order = {.prefetch = 2, .shuffle = false};
  Loader loaded(std::make_unique<TokenShards>(std::vector{shard}, format({8}, 1024)), {}, in_order);
  std::vector<TokenId> found;
  while (found.size() < document.size()) {
    const Batch batch = loaded.next(1);
    for (std::size_t t = 0; t < batch.tokens.size(); ++t) {
      if (batch.layout.document[t] >= 0 && batch.layout.level[t] < 0) {
        found.push_back(batch.tokens[t]);
      }
    }
  }
  EXPECT_EQ(found, document);
}

TEST_F(LoaderTest, CountRuleNeedsNoWordTable) {
  RowFormat row_format = format({4}, 64, gsa::InsertionRule::count);
  row_format.starts_word.clear();
  Loader counting(shards_, row_format, {});
  const Row row = rows_of(counting.next(1))[0];
  EXPECT_GT(std::count(row.level.begin(), row.level.end(), 0), 0);
  row_format.gist.rule = gsa::InsertionRule::word;
  EXPECT_THROW(Loader(shards_, row_format, {}), core::InternalError);
}

TEST(RowFormat, RowsTooShortForTheirGistsAreAUserError) {
  const FakeTokenizer tokenizer;
  const auto make = [&](std::vector<std::int64_t> chunks, std::int64_t length) {
    gsa::GistConfig gist;
    gist.chunks = std::move(chunks);
    gist.rule = gsa::InsertionRule::count;
    return make_row_format(tokenizer, gist, length);
  };
  EXPECT_EQ(make({8}, 64).row_length, 64);
  EXPECT_EQ(make({}, 2).row_length, 2);
  EXPECT_THROW(make({65}, 64), core::UserError);
  EXPECT_THROW(make({}, 1), core::UserError);
  EXPECT_THROW(make({2}, 2), core::UserError);
  EXPECT_THROW(make({2, 2}, 3), core::UserError);
  try {
    make({4096}, 1024);
    FAIL();
  } catch (const core::UserError& error) {
    EXPECT_NE(
        std::string(error.what()).find("a chunk of 4096 tokens does not fit in a row of 1024"),
        std::string::npos);
  }
}

}  // namespace
}  // namespace unfold::data
