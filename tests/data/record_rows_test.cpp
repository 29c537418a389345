// Rows of records against a slow reference: gists segment by segment, answers as the only targets,
// records that never see each other, and the order and resuming of a loader.
#include "data/records/record_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "data/data_source.h"
#include "data/loader.h"
#include "gsa/block_map.h"
#include "gsa/chunk_table.h"
#include "gsa/insertion.h"
#include "gsa/visibility.h"
#include "tests/data/fake_tokenizer.h"
#include "tests/support/temp_folder.h"

namespace unfold::data {
namespace {

using testing::FakeTokenizer;
using testing::TemporaryFolder;

constexpr TokenId kEos = 256;
constexpr TokenId kGist = 300;

// One position of a row.
struct Position {
  TokenId token;
  int level;
  bool label;
  bool operator==(const Position&) const = default;
};
using Positions = std::vector<Position>;

std::string random_words(CounterRandom& random, std::uint64_t longest) {
  std::string text = "x";
  for (std::uint64_t n = random.below(longest); n > 0; --n) {
    text += random.below(4) == 0 ? ' ' : static_cast<char>('a' + random.below(26));
  }
  return text;
}

Record random_record(CounterRandom& random) {
  Record record;
  for (std::uint64_t n = random.below(3) + 1; n > 0; --n) {
    record.segments.push_back(random_words(random, 20));
  }
  for (std::uint64_t n = random.below(2) + 1; n > 0; --n) {
    Question question;
    question.question = random_words(random, 5);
    question.answer = random_words(random, 4);
    record.questions.push_back(question);
  }
  return record;
}

std::string to_json(const Record& record) {
  std::string segments, questions;
  for (const std::string& segment : record.segments) {
    segments += fmt::format("{}\"{}\"", segments.empty() ? "" : ", ", segment);
  }
  for (const auto& [question, answer] : record.questions) {
    questions += fmt::format("{}{{\"question\": \"{}\", \"answer\": \"{}\"}}",
                             questions.empty() ? "" : ", ", question, answer);
  }
  return fmt::format("{{\"context\": [{}], \"questions\": [{}]}}\n", segments, questions);
}

class RecordRowsTest : public ::testing::Test {
 protected:
  RecordRowsTest() {
    CounterRandom random{12};
    for (int f = 0; f < 3; ++f) {
      records_.emplace_back();
      std::string text;
      for (int r = 0; r < 10 + 5 * f; ++r) {
        records_.back().push_back(random_record(random));
        text += to_json(records_.back().back());
      }
      testing::write_bytes(folder_ / fmt::format("{}.jsonl", f), text);
    }
  }

  RowFormat format(std::vector<std::int64_t> chunks = {4}, std::int64_t row_length = 160,
                   gsa::InsertionRule rule = gsa::InsertionRule::word) const {
    gsa::GistConfig gist;
    gist.chunks = std::move(chunks);
    gist.rule = rule;
    return make_row_format(tokenizer_, gist, row_length, kGist);
  }
  std::unique_ptr<RecordShards> shards(const RowFormat& row_format,
                                       OnLong on_long = OnLong::error) const {
    return std::make_unique<RecordShards>(std::vector<std::string>{folder_.path().string()},
                                          tokenizer_, row_format, on_long);
  }
  Loader loader(const LoaderState& state = {}, bool shuffle = true,
                std::int64_t prefetch = 2) const {
    return Loader(shards(format()), state, {.prefetch = prefetch, .shuffle = shuffle});
  }

  Positions positions_of(const Record& record, const RowFormat& row_format) const {
    Positions result;
    for (const std::string& segment : record.segments) {
      std::vector<std::uint8_t> starts;
      for (const char c : segment) starts.push_back(gsa::starts_word(std::string(1, c)) ? 1 : 0);
      const auto n = static_cast<std::int64_t>(segment.size());
      for (const gsa::Element& e : gsa::insert_gists(n, starts, row_format.gist)) {
        if (e.level >= 0) {
          result.push_back({kGist + e.level, e.level, false});
        } else {
          result.push_back({segment[static_cast<std::size_t>(e.raw)], -1, false});
        }
      }
    }
    for (const auto& [question, answer] : record.questions) {
      for (const char c : question) result.push_back({c, -1, false});
      result.push_back({' ', -1, true});
      for (const char c : answer) result.push_back({c, -1, true});
      result.push_back({kEos, -1, true});
    }
    return result;
  }

  // All rows of the files in their order, by the simplest packing.
  std::vector<std::vector<Positions>> expected_rows(const RowFormat& row_format) const {
    std::vector<std::vector<Positions>> rows;
    for (const auto& file : records_) {
      auto room = std::size_t{0};
      for (const Record& record : file) {
        Positions positions = positions_of(record, row_format);
        if (positions.size() > room) {
          rows.emplace_back();
          room = static_cast<std::size_t>(row_format.row_length);
        }
        room -= positions.size();
        rows.back().push_back(std::move(positions));
      }
    }
    return rows;
  }

  FakeTokenizer tokenizer_;
  TemporaryFolder folder_;
  std::vector<std::vector<Record>> records_;  // by file
};

TEST_F(RecordRowsTest, RowsEqualTheReference) {
  for (const auto rule : {gsa::InsertionRule::word, gsa::InsertionRule::count}) {
    for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{}, {4}, {3, 2}, {1}}) {
      const RowFormat row_format = format(chunks, 210, rule);
      const auto opened = shards(row_format);
      const auto rows = expected_rows(row_format);
      const auto batches = validation_batches(*opened, 1000, 3);
      std::size_t r = 0;
      for (const Batch& batch : batches) {
        std::int64_t valid = 0, bytes = 0;
        for (std::int64_t row = 0; row < batch.layout.rows; ++row, ++r) {
          ASSERT_LT(r, rows.size());
          auto t = static_cast<std::size_t>(row * batch.layout.length);
          const std::size_t end = t + static_cast<std::size_t>(batch.layout.length);
          std::int32_t document = 0;
          for (const Positions& record : rows[r]) {
            std::int32_t raw = 0;
            for (std::size_t i = 0; i < record.size(); ++i, ++t) {
              ASSERT_EQ(batch.tokens[t], record[i].token);
              ASSERT_EQ(batch.layout.level[t], record[i].level);
              ASSERT_EQ(batch.layout.document[t], document);
              raw += record[i].level < 0 ? 1 : 0;
              ASSERT_EQ(batch.layout.rope[t], raw - 1);
              const bool target = i + 1 < record.size() && record[i + 1].label;
              ASSERT_EQ(batch.targets[t], target ? record[i + 1].token : kIgnoredTarget);
              valid += target;
              bytes += target && record[i + 1].token != kEos;
            }
            ++document;
          }
          for (; t < end; ++t) {
            ASSERT_EQ(batch.layout.document[t], -1);
            ASSERT_EQ(batch.targets[t], kIgnoredTarget);
          }
        }
        EXPECT_EQ(batch.valid_targets, valid);
        EXPECT_EQ(batch.target_bytes, bytes);
      }
      EXPECT_EQ(r, rows.size());
    }
  }
}

// Several closed segments in one document are a layout that every later stage understands.
TEST_F(RecordRowsTest, SegmentsKeepVisibilityReachAndChunksConsistent) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{4}, {3, 2}, {2, 2, 2}}) {
    const RowFormat row_format = format(chunks, 260);
    const auto opened = shards(row_format);
    const auto rows = expected_rows(row_format);
    const Batch batch = validation_batches(*opened, 6, 6).front();
    const gsa::Layout& layout = batch.layout;
    const gsa::Reach reach = gsa::compute_reach(layout, row_format.gist, gsa::Visibility::gist);
    for (std::int64_t row = 0; row < layout.rows; ++row) {
      const auto counts = gsa::count_row(layout, row, row_format.gist);
      for (std::int64_t q = 0; q < layout.length; ++q) {
        const int query_class =
            reach.query_class[static_cast<std::size_t>(row * layout.length + q)];
        for (std::int64_t k = 0; k <= q; ++k) {
          const bool seen = gsa::visible(counts, q, k, row_format.gist, gsa::Visibility::gist);
          ASSERT_EQ(seen, q < reach.at(row, query_class, k)) << row << " " << q << " " << k;
          const auto at = [&](std::int64_t t) {
            return layout.document[static_cast<std::size_t>(row * layout.length + t)];
          };
          if (at(q) != at(k)) {
            ASSERT_FALSE(seen) << "a record sees another one";
          }
        }
      }
    }
    gsa::make_block_map(layout, row_format.gist, gsa::Visibility::gist, 16);

    const gsa::ChunkTable table = gsa::make_chunk_table(layout);
    std::size_t d = 0, suffix = 0;
    for (std::int64_t row = 0; row < layout.rows; ++row) {
      const auto& records = rows[static_cast<std::size_t>(row)];
      for (std::size_t r = 0; r < records.size(); ++r, ++d) {
        const Positions& record = records[r];
        const gsa::DocumentChunks& document = table.documents.at(d);
        const auto gists = [&](int level) {
          return std::count_if(record.begin(), record.end(),
                               [&](const Position& p) { return p.level == level; });
        };
        for (std::size_t l = 0; l < chunks.size(); ++l) {
          EXPECT_EQ(document.levels[l].gist.size(),
                    static_cast<std::size_t>(gists(static_cast<int>(l))));
        }
        const auto last = std::find_if(record.rbegin(), record.rend(),
                                       [](const Position& p) { return p.level >= 0; });
        suffix += static_cast<std::size_t>(last - record.rbegin());
        // A chunk is a run of tokens right before its gist: it never reaches into another segment.
        for (std::int64_t c = 0; c < document.chunks(); ++c) {
          const auto tokens = document.chunk(c);
          ASSERT_FALSE(tokens.empty());
          EXPECT_EQ(tokens.back() - tokens.front() + 1, static_cast<int>(tokens.size()));
          EXPECT_EQ(tokens.back() + 1, document.levels[0].gist[static_cast<std::size_t>(c)]);
        }
      }
    }
    EXPECT_EQ(d, table.documents.size());
    EXPECT_EQ(suffix, table.suffix.size());
  }
}

TEST_F(RecordRowsTest, WithoutGistsTheTargetsAreTheSame) {
  const auto opened = shards(format());
  const Batch batch = validation_batches(*opened, 8, 8).front();
  const Batch plain = without_gists(batch);
  const auto targets = [](const Batch& b) {
    std::vector<TokenId> result;
    std::copy_if(b.targets.begin(), b.targets.end(), std::back_inserter(result),
                 [](TokenId target) { return target >= 0; });
    return result;
  };
  EXPECT_EQ(targets(plain), targets(batch));
}

// The records in the order an epoch hands them out, each as its tokens.
std::vector<std::vector<TokenId>> read_epoch(Loader& source) {
  std::vector<std::vector<TokenId>> records;
  const std::int64_t epoch = source.state().epoch;
  for (Batch batch = source.next(1); source.state().epoch == epoch; batch = source.next(1)) {
    for (std::size_t t = 0; t < batch.tokens.size(); ++t) {
      if (batch.layout.document[t] < 0) break;
      if (t == 0 || batch.layout.document[t] != batch.layout.document[t - 1]) {
        records.emplace_back();
      }
      records.back().push_back(batch.tokens[t]);
    }
  }
  return records;
}

TEST_F(RecordRowsTest, AnEpochHoldsEveryRecordOnceInItsOrder) {
  std::vector<std::vector<TokenId>> in_order;
  for (const auto& row : expected_rows(format())) {
    for (const Positions& record : row) {
      in_order.emplace_back();
      for (const Position& position : record) in_order.back().push_back(position.token);
    }
  }
  Loader plain = loader({}, false, 0);
  EXPECT_EQ(read_epoch(plain), in_order);

  std::set<std::vector<std::vector<TokenId>>> orders = {in_order};
  for (const std::uint64_t seed : {1, 2}) {
    for (const std::int64_t epoch : {0, 1}) {
      Loader shuffled = loader({.seed = seed, .epoch = epoch}, true, 0);
      auto records = read_epoch(shuffled);
      EXPECT_TRUE(orders.insert(records).second) << "an order of its own";
      std::sort(records.begin(), records.end());
      auto sorted = in_order;
      std::sort(sorted.begin(), sorted.end());
      EXPECT_EQ(records, sorted);
    }
  }
}

TEST_F(RecordRowsTest, ResumesExactlyAndRanksShareTheRows) {
  for (const bool shuffle : {true, false}) {
    Loader whole = loader({.seed = 5}, shuffle);
    std::vector<std::vector<TokenId>> batches;
    std::vector<LoaderState> states;
    for (int i = 0; i < 30; ++i) {
      batches.push_back(whole.next(2).tokens);
      states.push_back(whole.state());
    }
    EXPECT_GE(whole.state().epoch, 1);
    for (const std::size_t from : {0, 7, 19}) {
      Loader resumed = loader(states[from], shuffle, from % 2 == 0 ? 0 : 3);
      for (std::size_t i = from + 1; i < batches.size(); ++i) {
        ASSERT_EQ(resumed.next(2).tokens, batches[i]) << from << " " << i;
        ASSERT_EQ(resumed.state(), states[i]);
      }
    }
    Loader first = loader({.seed = 5}, shuffle);
    Loader second = loader({.seed = 5}, shuffle);
    for (const auto& batch : batches) {
      std::vector<TokenId> both = first.next(2, 0, 1).tokens;
      const std::vector<TokenId> other = second.next(2, 1, 1).tokens;
      both.insert(both.end(), other.begin(), other.end());
      ASSERT_EQ(both, batch);
    }
  }
}

TEST_F(RecordRowsTest, LongRecordsAreAnErrorOrLeftOut) {
  const std::string file = (folder_ / "1.jsonl").string();
  std::string text = testing::read_bytes(file);
  const auto lines = std::count(text.begin(), text.end(), '\n');
  text += R"({"context": ")" + std::string(200, 'x') +
          R"(", "question": "q", "answer": "a"})"
          "\n";
  testing::write_bytes(file, text);
  const std::string error = test::user_error([&] { shards(format()); });
  EXPECT_NE(error.find(fmt::format("{}:{}: the record takes ", file, lines + 1)), std::string::npos)
      << error;
  EXPECT_NE(error.find("context 200"), std::string::npos) << error;
  EXPECT_NE(error.find("a row has 160"), std::string::npos) << error;
  EXPECT_NE(error.find("data.on_long: skip"), std::string::npos) << error;

  core::log::set_level(core::log::Level::error);
  const auto skipping = shards(format(), OnLong::skip);
  EXPECT_EQ(skipping->skipped(), 1);
  EXPECT_EQ(skipping->records(), 10 + 15 + 20);
  EXPECT_EQ(skipping->count(), 3);
  // A file without a record that fits is no shard; no such file at all is an error.
  const std::string alone = text.substr(text.rfind('{'));
  testing::write_bytes(file, alone);
  const auto fewer = shards(format(), OnLong::skip);
  EXPECT_EQ(fewer->count(), 2);
  EXPECT_EQ(fewer->records(), 10 + 20);
  core::log::set_level(core::log::Level::warning);
  const std::string none =
      test::user_error([&] { RecordShards({file}, tokenizer_, format(), OnLong::skip); });
  EXPECT_NE(none.find("every record is longer"), std::string::npos) << none;

  // Questions and answers that fill more than a row are wrong under either choice.
  testing::write_bytes(file, record_json("c", {{std::string(160, 'q'), "a"}}) + "\n");
  for (const OnLong on_long : {OnLong::error, OnLong::skip}) {
    const std::string asked =
        test::user_error([&] { RecordShards({file}, tokenizer_, format(), on_long); });
    EXPECT_NE(asked.find(file + ":1: questions and answers take 163 tokens"), std::string::npos)
        << asked;
  }
}

TEST_F(RecordRowsTest, ARecordMayFillItsRowExactly) {
  const std::string file = (folder_ / "exact.jsonl").string();
  testing::write_bytes(file, record_json("abcd", {{"q", "a"}}) + "\n");
  // abcd, its gist, q, " a", eos
  const RowFormat exact = format({4}, 9, gsa::InsertionRule::count);
  RecordShards fits({file}, tokenizer_, exact, OnLong::error);
  EXPECT_EQ(validation_batches(fits, 5, 5).front().tokens,
            (std::vector<TokenId>{'a', 'b', 'c', 'd', kGist, 'q', ' ', 'a', kEos}));
  EXPECT_THROW(
      RecordShards({file}, tokenizer_, format({4}, 8, gsa::InsertionRule::count), OnLong::error),
      core::UserError);
}

TEST_F(RecordRowsTest, TheConfigChoosesTheFormat) {
  DataConfig config;
  const std::vector<std::string> inputs = {folder_.path().string()};
  EXPECT_THROW(open_rows(config, inputs, tokenizer_, format()), core::UserError) << "no shards";
  config.format = DataFormat::sft;
  EXPECT_EQ(open_rows(config, inputs, tokenizer_, format())->count(), 3);
}

}  // namespace
}  // namespace unfold::data
