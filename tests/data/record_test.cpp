// Records from JSON lines and files: what is read, how it is rendered, and every kind of bad line.
#include "data/records/record.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/counter_random.h"
#include "data/records/record_reader.h"
#include "tests/data/fake_tokenizer.h"
#include "tests/support/temp_folder.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;
using testing::write_bytes;
using Texts = std::vector<std::string>;

constexpr const char* kGood =
    R"({"context": "Sky is blue.", "question": "Sky?", "answer": "blue"})";

std::string error_of(std::string_view line) {
  return test::user_error([&] { parse_record(line, "a.jsonl:7"); });
}

TEST(Record, ContextIsOneSegmentOrAList) {
  const Record one = parse_record(kGood, "");
  EXPECT_EQ(one.segments, Texts{"Sky is blue."});
  EXPECT_EQ(one.questions, (std::vector<Question>{{"Sky?", "blue"}}));
  const Record many = parse_record(
      R"({"system": "Be brief.\n", "context": ["one", " two"], "question": "q", "answer": "a"})",
      "");
  EXPECT_EQ(many.segments, (Texts{"Be brief.\n", "one", " two"}));
}

TEST(Record, DocumentsAreNumberedAndTitled) {
  const Record record = parse_record(
      R"({"questions": [{"question": "q1", "answer": "a1"}, {"answer": "a2", "question": "q2"}],
          "documents": [{"title": "Sky", "text": "Blue."}, {"text": "Green."}, {"text": "Red.", "title": ""}]})",
      "");
  EXPECT_EQ(record.segments, (Texts{"Document [1](Title: Sky) Blue.\n", "Document [2] Green.\n",
                                    "Document [3] Red.\n"}));
  EXPECT_EQ(record.questions, (std::vector<Question>{{"q1", "a1"}, {"q2", "a2"}}));
}

TEST(Record, TextIsTakenAsItIs) {
  const Record record = parse_record(
      R"({"context": " \u00e9\n", "question": "\nQ: ?\nA:", "answer": "two\nlines "})", "");
  EXPECT_EQ(record.segments, Texts{" \xc3\xa9\n"});
  EXPECT_EQ(record.questions.front(), (Question{"\nQ: ?\nA:", "two\nlines "}));
}

TEST(Record, WhatIsWrittenReadsBack) {
  const std::vector<Question> questions = {{" ? Marlo", "tulip \"river\""}, {"q\n", "\xc3\xa9"}};
  const std::string line = record_json("Facts\tMarlo\n", questions);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(parse_record(line, ""), (Record{{"Facts\tMarlo\n"}, questions}));
}

TEST(Record, EveryBadLineIsAUserErrorThatNamesItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not valid JSON"},
      {"{", "not valid JSON at column"},
      {R"({"context": "c", "question": "q", "answer": "a"} x)", "not valid JSON"},
      {R"({"context": "\ud800", "question": "q", "answer": "a"})", "not valid JSON"},
      {R"({"context": 1e999, "question": "q", "answer": "a"})", "number"},
      {"[]", "the record is a list, not an object"},
      {"3", "the record is a number"},
      {"null", "the record is null"},
      {R"({"question": "q", "answer": "a"})", "no context"},
      {R"({"system": "s", "question": "q", "answer": "a"})", "no context"},
      {R"({"context": "c", "documents": [{"text": "t"}], "question": "q", "answer": "a"})", "both"},
      {R"({"context": "", "question": "q", "answer": "a"})", "\"context\" is empty"},
      {R"({"context": " \n", "question": "q", "answer": "a"})", "\"context\" is empty"},
      {R"({"context": [], "question": "q", "answer": "a"})", "\"context\" is an empty list"},
      {R"({"context": ["c", ""], "question": "q", "answer": "a"})", "\"context\" entry 2 is empty"},
      {R"({"context": ["c", 2], "question": "q", "answer": "a"})",
       "\"context\" entry 2 is a number, not text"},
      {R"({"context": {}, "question": "q", "answer": "a"})",
       "\"context\" is an object, not text or a list"},
      {R"({"system": "", "context": "c", "question": "q", "answer": "a"})", "\"system\" is empty"},
      {R"({"system": false, "context": "c", "question": "q", "answer": "a"})",
       "\"system\" is a boolean, not text"},
      {R"({"documents": "d", "question": "q", "answer": "a"})",
       "\"documents\" is text, not a list"},
      {R"({"documents": [], "question": "q", "answer": "a"})", "empty list"},
      {R"({"documents": ["d"], "question": "q", "answer": "a"})",
       "\"documents\" entry 1 is text, not an object"},
      {R"({"documents": [{"title": "t"}], "question": "q", "answer": "a"})",
       "the text of \"documents\" entry 1 is missing"},
      {R"({"documents": [{"text": ""}], "question": "q", "answer": "a"})",
       "the text of \"documents\" entry 1 is empty"},
      {R"({"documents": [{"text": "t", "title": 1}], "question": "q", "answer": "a"})",
       "the title"},
      {R"({"documents": [{"text": "t", "body": "b"}], "question": "q", "answer": "a"})",
       "unknown member \"body\": known are title, text"},
      {R"({"context": "c", "question": "q"})", "\"answer\" is missing"},
      {R"({"context": "c", "question": "q", "answer": ""})", "\"answer\" is empty"},
      {R"({"context": "c", "question": "q", "answer": null})", "\"answer\" is null, not text"},
      {R"({"context": "c", "question": " ", "answer": "a"})", "\"question\" is empty"},
      {R"({"context": "c", "answer": "a"})", "\"question\" is missing"},
      {R"({"context": "c"})", "\"question\" is missing"},
      {R"({"context": "c", "questions": []})", "\"questions\" is an empty list"},
      {R"({"context": "c", "questions": {}})", "\"questions\" is an object, not a list"},
      {R"({"context": "c", "questions": ["q"]})", "\"questions\" entry 1 is text, not an object"},
      {R"({"context": "c", "questions": [{"question": "q", "answer": "a"}, {"question": "q"}]})",
       "the answer of \"questions\" entry 2 is missing"},
      {R"({"context": "c", "questions": [{"question": "q", "answer": "a"}], "answer": "a"})",
       "\"questions\" besides"},
      {R"({"context": "c", "quesiton": "q", "answer": "a"})",
       "unknown member \"quesiton\": known are system, context, documents, question"},
      {R"({"context": "c", "question": "q", "answer": "a", "answer": "b"})",
       "\"answer\" appears twice"},
      {R"({"context": "c", "questions": [{"question": "q", "question": "q", "answer": "a"}]})",
       "\"question\" appears twice"},
  };
  for (const auto& [line, expected] : cases) {
    const std::string error = error_of(line);
    EXPECT_TRUE(error.starts_with("[records] a.jsonl:7: ")) << line << "\n" << error;
    EXPECT_NE(error.find(expected), std::string::npos) << line << "\n" << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Record, HostileLinesAreUserErrors) {
  const std::string good = R"({"documents": [{"title": "Sky", "text": "Blue."}], "questions": )"
                           R"([{"question": "q", "answer": "a"}]})";
  parse_record(good, "");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW(parse_record(good.substr(0, size), ""), core::UserError) << size;
  }
  // Any other exception than a user's error fails the test.
  CounterRandom random{1};
  for (int i = 0; i < 3000; ++i) {
    std::string line = good;
    for (std::uint64_t n = random.below(3) + 1; n > 0; --n) {
      line[random.below(line.size())] = static_cast<char>(random.below(128));
    }
    try {
      parse_record(line, "");
    } catch (const core::UserError&) {
    }
  }
  EXPECT_THROW(parse_record(std::string(1000000, '['), ""), core::UserError);
  std::string deep = R"({"context": )" + std::string(200000, '[') + std::string(200000, ']');
  EXPECT_THROW(parse_record(deep + R"(, "question": "q", "answer": "a"})", ""), core::UserError);
}

class RecordReaderTest : public ::testing::Test {
 protected:
  fs::path file(std::string_view text) const {
    write_bytes(folder_ / "a.jsonl", text);
    return folder_ / "a.jsonl";
  }
  std::string read_error(std::string_view text) const {
    return test::user_error([&] {
      RecordReader reader(file(text));
      for (Record record; reader.next(record);) {
      }
    });
  }
  TemporaryFolder folder_;
};

TEST_F(RecordReaderTest, ReadsLineByLineAndSkipsBlankOnes) {
  const std::string good = kGood;
  RecordReader reader(file("\xEF\xBB\xBF" + good + "\r\n\n  \n" + good));
  Record record;
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(reader.line(), 1);
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(reader.place(), (folder_ / "a.jsonl").string() + ":4");
  EXPECT_EQ(record.segments, Texts{"Sky is blue."});
  EXPECT_FALSE(reader.next(record));
}

TEST_F(RecordReaderTest, ALongLineIsOneRecord) {
  const std::string text(5000000, 'x');  // longer than a piece of a text document
  RecordReader reader(file(record_json(text, {{"q", "a"}}) + "\n"));
  Record record;
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(record.segments, Texts{text});
  EXPECT_FALSE(reader.next(record));
}

TEST_F(RecordReaderTest, BadLinesAreNamed) {
  const std::string good = std::string(kGood) + "\n";
  const std::string place = (folder_ / "a.jsonl").string();
  EXPECT_NE(read_error(good + good + "{\"context\": 1}\n").find(place + ":3: "), std::string::npos);
  EXPECT_NE(read_error(good + "{\"context\": \"\xff\"}\n").find(place + ":2: invalid UTF-8"),
            std::string::npos);
  EXPECT_NE(read_error(good + good.substr(0, 20)).find(place + ":2: not valid JSON"),
            std::string::npos);
  EXPECT_NE(read_error("").find(place), std::string::npos);
  EXPECT_NE(read_error("\n\n").find(place), std::string::npos);
}

TEST_F(RecordReaderTest, FindsFilesAndFoldersOfThem) {
  fs::create_directories(folder_ / "f" / "deep");
  for (const char* name : {"f/b.jsonl", "f/a.jsonl", "f/deep/c.jsonl", "f/notes.md", "x.jsonl"}) {
    write_bytes(folder_ / name, "x");
  }
  const std::string root = folder_.path().string();
  EXPECT_EQ(find_record_files({root + "/x.jsonl", root + "/f"}),
            (std::vector<fs::path>{root + "/x.jsonl", root + "/f/a.jsonl", root + "/f/b.jsonl",
                                   root + "/f/deep/c.jsonl"}));
  write_bytes(folder_ / "only.txt", "x");
  fs::create_directories(folder_ / "texts");
  write_bytes(folder_ / "texts" / "a.txt", "x");
  for (const auto& bad : std::vector<Texts>{
           {}, {root + "/none"}, {root + "/only.txt"}, {root + "/texts"}, {root + "/f/notes.md"}}) {
    EXPECT_THROW(find_record_files(bad), core::UserError);
  }
}

}  // namespace
}  // namespace unfold::data
