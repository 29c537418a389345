// Rows of records with links: every record a prompt with links, written down token by token.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "data/loader.h"
#include "data/records/record_rows.h"
#include "gsa/insertion.h"
#include "tests/data/fake_tokenizer.h"
#include "tests/support/temp_folder.h"

namespace unfold::data {
namespace {

using gsa::Part;
using testing::FakeTokenizer;
using testing::TemporaryFolder;

constexpr TokenId kEos = 256;
constexpr TokenId kGist = 300;

struct Position {
  TokenId token;
  int level;
  Part part;
  bool label;
};

class LinkedRowsTest : public ::testing::Test {
 protected:
  RowFormat format(std::vector<std::int64_t> chunks, std::int64_t links,
                   std::int64_t row_length = 90) const {
    gsa::GistConfig gist;
    gist.chunks = std::move(chunks);
    gist.links = links;
    return make_row_format(tokenizer_, gist, row_length, kGist);
  }

  RecordShards shards(const std::string& lines, const RowFormat& row_format,
                      OnLong on_long = OnLong::error) const {
    testing::write_bytes(folder_ / "records.jsonl", lines);
    return RecordShards({(folder_ / "records.jsonl").string()}, tokenizer_, row_format, on_long);
  }

  static std::vector<Position> positions_of(const std::string& system,
                                            const std::vector<std::string>& documents,
                                            const std::string& question, const std::string& answer,
                                            const gsa::GistConfig& gist) {
    std::vector<Position> result;
    for (const char c : system) result.push_back({c, -1, Part::system, false});
    for (const std::string& document : documents) {
      std::vector<std::uint8_t> starts;
      for (const char c : document) starts.push_back(gsa::starts_word(std::string(1, c)) ? 1 : 0);
      for (const gsa::Element& e : gsa::insert_gists(std::ssize(document), starts, gist)) {
        const TokenId token =
            e.level >= 0 ? kGist + e.level : TokenId{document[static_cast<std::size_t>(e.raw)]};
        result.push_back({token, e.level, Part::document, false});
      }
      for (TokenId link = 0; link < gist.links; ++link) {
        result.push_back({kGist + gist.levels() + link, -1, Part::link, false});
      }
    }
    for (const char c : question) result.push_back({c, -1, Part::suffix, false});
    for (const char c : " " + answer) result.push_back({c, -1, Part::suffix, true});
    result.push_back({kEos, -1, Part::suffix, true});
    return result;
  }

  TemporaryFolder folder_;
  FakeTokenizer tokenizer_;
};

constexpr const char* kLines =
    R"({"system": "be brief", "documents": [{"text": "blue sky above"}, {"text": "no"}],)"
    R"( "question": "what", "answer": "sky"})"
    "\n"
    R"({"context": ["one two", "three"], "question": "and", "answer": "four"})"
    "\n";

TEST_F(LinkedRowsTest, RowsEqualTheReference) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{4}, {3, 2}}) {
    for (const std::int64_t links : {1, 5}) {
      const RowFormat row_format = format(chunks, links, 160);
      RecordShards opened = shards(kLines, row_format);
      const Batch batch = validation_batches(opened, 10, 10).front();
      ASSERT_EQ(batch.layout.rows, 1) << "both records share the row";
      const std::vector<std::vector<Position>> records = {
          positions_of("be brief", {"Document [1] blue sky above\n", "Document [2] no\n"}, "what",
                       "sky", row_format.gist),
          positions_of("", {"one two", "three"}, "and", "four", row_format.gist)};
      std::size_t t = 0;
      std::int64_t valid = 0;
      for (std::size_t r = 0; r < records.size(); ++r) {
        std::int32_t raw = 0;
        for (std::size_t i = 0; i < records[r].size(); ++i, ++t) {
          const Position& one = records[r][i];
          ASSERT_EQ(batch.tokens[t], one.token) << t;
          ASSERT_EQ(batch.layout.level[t], one.level) << t;
          ASSERT_EQ(batch.layout.part[t], one.part) << t;
          ASSERT_EQ(batch.layout.document[t], static_cast<std::int32_t>(r)) << t;
          raw += one.level < 0 ? 1 : 0;
          ASSERT_EQ(batch.layout.rope[t], raw - 1) << t;
          const bool target = i + 1 < records[r].size() && records[r][i + 1].label;
          ASSERT_EQ(batch.targets[t], target ? records[r][i + 1].token : kIgnoredTarget) << t;
          valid += target ? 1 : 0;
        }
      }
      EXPECT_EQ(batch.valid_targets, valid);
      for (; t < batch.tokens.size(); ++t) {
        ASSERT_EQ(batch.layout.document[t], -1);
        ASSERT_EQ(batch.layout.part[t], Part::none);
      }
    }
  }
}

// For full attention gists and links are taken out: the rows of a format without either.
TEST_F(LinkedRowsTest, WithoutGistsThereAreNoLinks) {
  RecordShards linked = shards(kLines, format({4}, 5, 160));
  RecordShards plain = shards(kLines, format({}, 0, 160));
  const Batch taken_out = without_gists(validation_batches(linked, 10, 10).front());
  const Batch expected = without_gists(validation_batches(plain, 10, 10).front());
  EXPECT_EQ(taken_out.tokens, expected.tokens);
  EXPECT_EQ(taken_out.targets, expected.targets);
  EXPECT_EQ(taken_out.layout.rope, expected.layout.rope);
  EXPECT_TRUE(taken_out.layout.part.empty());
}

TEST_F(LinkedRowsTest, LinksNeedGists) {
  RecordShards opened = shards(kLines, format({}, 5, 160));
  EXPECT_TRUE(validation_batches(opened, 10, 10).front().layout.part.empty());
}

TEST_F(LinkedRowsTest, ARecordThatDoesNotFitSaysWhatItTakes) {
  const std::string error = test::user_error([&] { shards(kLines, format({4}, 7, 70)); });
  EXPECT_NE(error.find("records.jsonl:1: the record takes "), std::string::npos) << error;
  EXPECT_NE(error.find("links 14, questions"), std::string::npos) << error;
  EXPECT_NE(error.find("a row has 70"), std::string::npos) << error;
  core::log::set_level(core::log::Level::error);
  EXPECT_EQ(shards(kLines, format({4}, 7, 70), OnLong::skip).records(), 1);
  core::log::set_level(core::log::Level::warning);
}

TEST_F(LinkedRowsTest, ARecordNeedsDocuments) {
  const std::string error = test::user_error([&] {
    shards("{\"system\": \"s\", \"question\": \"q\", \"answer\": \"a\"}\n", format({4}, 5));
  });
  EXPECT_NE(error.find("records.jsonl:1: no context: give \"context\" or \"documents\""),
            std::string::npos)
      << error;
  EXPECT_NE(test::user_error([&] {
              shards("{\"documents\": [], \"question\": \"q\", \"answer\": \"a\"}\n",
                     format({4}, 5));
            }).find("empty list"),
            std::string::npos);
}

}  // namespace
}  // namespace unfold::data
