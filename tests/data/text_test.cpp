#include "data/text.h"

#include <gtest/gtest.h>

#include "tests/data/tokenizer_test_files.h"

namespace unfold::data {
namespace {

constexpr std::size_t kFine = std::string_view::npos;

TEST(Utf8, EveryCodePointIsValid) {
  std::string all;
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xD800 || c >= 0xE000) append_utf8(all, c);
  }
  EXPECT_EQ(find_invalid_utf8(all), kFine);
  EXPECT_EQ(replace_invalid_utf8(all), all);
}

TEST(Utf8, IllFormedSequencesAreFoundWhereTheyBegin) {
  const std::vector<std::string> bad = {"\x80",
                                        "\xBF",
                                        "\xC0\xAF",
                                        "\xC1\x81",
                                        "\xC3",
                                        "\xC3(",
                                        "\xE0\x9F\xBF",
                                        "\xED\xA0\x80",
                                        "\xE2\x82",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF4\x90\x80\x80",
                                        "\xF0\x9F\x98",
                                        "\xF5\x80\x80\x80",
                                        "\xFF"};
  for (const std::string& bytes : bad) {
    EXPECT_EQ(find_invalid_utf8(bytes), 0U);
    EXPECT_EQ(find_invalid_utf8("12345678é" + bytes), 10U);
    EXPECT_EQ(find_invalid_utf8("ok" + bytes + "after"), 2U);
    EXPECT_EQ(find_invalid_utf8(replace_invalid_utf8("ok" + bytes + "after")), kFine);
  }
}

// The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11.
TEST(Utf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"
            "A\uFFFD\uFFFD"
            "B");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFDA");
}

class DocumentReaderTest : public FilesTest {
 protected:
  static std::vector<Document> read_all(DocumentReader& reader) {
    std::vector<Document> pieces;
    for (Document piece; reader.next(piece);) pieces.push_back(std::move(piece));
    return pieces;
  }
  static std::vector<Document> read_all(const std::vector<std::filesystem::path>& inputs,
                                        DocumentReaderOptions options = {}) {
    DocumentReader reader(inputs, options);
    return read_all(reader);
  }
};

TEST_F(DocumentReaderTest, FilesAreDocumentsInOrderAndFoldersAreSorted) {
  write("corpus/b.txt", "second");
  write("corpus/a.md", "first");
  write("corpus/deep/c.MARKDOWN", "third");
  write("corpus/image.png", "\xFF\xD8");
  const auto extra = write("extra.txt", "zero");
  DocumentReader reader({extra, folder_ / "corpus"});
  EXPECT_EQ(reader.total_bytes(), 4 + 5 + 6 + 5);
  const std::vector<Document> pieces = read_all(reader);
  ASSERT_EQ(pieces.size(), 4U);
  EXPECT_EQ(pieces[0].text, "zero");
  EXPECT_EQ(pieces[1].text, "first");
  EXPECT_EQ(pieces[2].text, "second");
  EXPECT_EQ(pieces[3].text, "third");
  EXPECT_EQ(pieces[0].place(), extra.string());
  EXPECT_EQ(reader.documents(), 4);
  EXPECT_EQ(reader.bytes_read(), reader.total_bytes());
}

TEST_F(DocumentReaderTest, JsonLinesAreDocuments) {
  const auto file = write("c.jsonl",
                          "{\"id\": 1, \"text\": \"one\\n\\u00e9\"}\r\n"
                          "\n"
                          "{\"text\": \"\", \"id\": 2}\n"
                          "{\"meta\": {\"text\": \"not this\", \"list\": [1, {\"text\": 2}]}, "
                          "\"text\": \"two\"}");
  const std::vector<Document> pieces = read_all({file});
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].text, "one\né");
  EXPECT_EQ(pieces[0].line, 1);
  EXPECT_EQ(pieces[1].text, "two");
  EXPECT_EQ(pieces[1].place(), file.string() + ":4");
}

TEST_F(DocumentReaderTest, AnotherJsonField) {
  const auto file = write("c.jsonl", "{\"text\": 1, \"content\": \"this\"}\n");
  DocumentReaderOptions options;
  options.json_field = "content";
  EXPECT_EQ(read_all({file}, options).at(0).text, "this");
}

TEST_F(DocumentReaderTest, BadJsonLinesNameFileAndLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"text\": \"x\"", "not valid JSON"},
      {"{\"text\": \"x\"} trailing", "not valid JSON"},
      {"{\"text\": \"\\ud800\"}", "not valid JSON"},
      {"{\"other\": \"x\"}", "no member \"text\""},
      {"{\"text\": 5}", "is a number"},
      {"{\"text\": null}", "is null"},
      {"{\"text\": {\"text\": \"x\"}}", "is an object"},
      {"{\"text\": [\"x\"]}", "is an array"},
      {"[1, 2]", "found an array"},
      {"\"text\"", "found a string"},
      {"12", "found a number"},
      {std::string(100000, '['), "found an array"},
      {"{\"a\":" + std::string(100000, '['), "not valid JSON"},
  };
  for (const auto& [line, reason] : cases) {
    const auto file = write("bad.jsonl", "{\"text\": \"fine\"}\n" + line + "\n");
    const std::string message = user_error([&] { read_all({file}); });
    EXPECT_NE(message.find("bad.jsonl:2: "), std::string::npos) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message;
  }
}

TEST_F(DocumentReaderTest, InvalidUtf8NamesTheByteOfTheFileOrIsReplaced) {
  const std::string filler(100, 'x');
  const auto text = write("bad.txt", filler + "\xC3(");
  const auto json = write("bad.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\xFF\"}\n");
  std::string message = user_error([&] { read_all({text}); });
  EXPECT_NE(message.find("bad.txt: invalid UTF-8 at byte 100 "), std::string::npos) << message;
  message = user_error([&] { read_all({json}); });
  EXPECT_NE(message.find("bad.jsonl:2: invalid UTF-8 at byte 24 "), std::string::npos) << message;

  DocumentReaderOptions options;
  options.piece_bytes = 32;
  message = user_error([&] { read_all({text}, options); });
  EXPECT_NE(message.find("at byte 100 "), std::string::npos) << message;

  options = {};
  options.invalid_utf8 = InvalidUtf8::replace;
  EXPECT_EQ(read_all({text}, options).at(0).text, filler + "\uFFFD(");
  EXPECT_EQ(read_all({json}, options).at(1).text, "\uFFFD");
}

TEST_F(DocumentReaderTest, ByteOrderMarkIsDroppedAndCountsInOffsets) {
  EXPECT_EQ(read_all({write("bom.txt", "\xEF\xBB\xBFtext")}).at(0).text, "text");
  EXPECT_EQ(read_all({write("bom.jsonl", "\xEF\xBB\xBF{\"text\": \"x\"}")}).at(0).text, "x");
  const auto bad = write("bad.txt", "\xEF\xBB\xBFok\xFF");
  const std::string message = user_error([&] { read_all({bad}); });
  EXPECT_NE(message.find("at byte 5 "), std::string::npos) << message;
}

TEST_F(DocumentReaderTest, LongDocumentsComeInPiecesThatJoinToTheWhole) {
  const std::string prose = babble(5000, 3);
  const std::string unbroken = [] {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "日é\U0001F600";
    return text;
  }();
  std::string escaped = prose;
  for (std::size_t at = 0; (at = escaped.find('\n', at)) != std::string::npos; at += 2) {
    escaped.replace(at, 1, "\\n");
  }
  const auto jsonl = write("c.jsonl", "{\"text\": \"" + escaped + "\"}\n{\"text\": \"next\"}\n");
  for (const std::size_t piece : {16U, 17U, 18U, 19U, 100U, 4096U}) {
    DocumentReaderOptions options;
    options.piece_bytes = piece;
    for (const std::string& whole : {prose, unbroken}) {
      DocumentReader reader({write("long.txt", whole)}, options);
      std::string joined;
      for (const Document& part : read_all(reader)) {
        EXPECT_FALSE(part.text.empty());
        EXPECT_LE(part.text.size(), piece + 1);
        EXPECT_EQ(find_invalid_utf8(part.text), kFine);
        joined += part.text;
        EXPECT_EQ(part.continues, joined.size() < whole.size());
      }
      EXPECT_EQ(joined, whole);
      EXPECT_EQ(reader.documents(), 1);
    }
    DocumentReader reader({jsonl}, options);
    std::string joined;
    for (const Document& part : read_all(reader)) {
      if (part.line == 1) joined += part.text;
      EXPECT_EQ(part.continues, part.line == 1 && joined.size() < prose.size());
    }
    EXPECT_EQ(joined, prose);
    EXPECT_EQ(reader.documents(), 2);
  }
}

TEST_F(DocumentReaderTest, PiecesEndBeforeASpaceBetweenLetters) {
  DocumentReaderOptions options;
  options.piece_bytes = 16;
  const auto pieces = read_all({write("a.txt", "one two.  three four five six")}, options);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].text, "one two.  three");
  EXPECT_EQ(pieces[1].text, " four five six");
}

TEST_F(DocumentReaderTest, InputsThatCannotBeReadAreNamed) {
  std::filesystem::create_directories(folder_ / "empty");
  const auto image = write("image.png", "x");
  const auto nothing = write("nothing.txt", "");
  const auto only_mark = write("mark.txt", "\xEF\xBB\xBF");
  const auto no_lines = write("no_lines.jsonl", "\n \n{\"text\": \"\"}\n");
  const auto message = [&](const std::vector<std::filesystem::path>& inputs) {
    return user_error([&] { read_all(inputs); });
  };
  EXPECT_NE(message({}).find("no input"), std::string::npos);
  EXPECT_NE(message({folder_ / "missing.txt"}).find("missing.txt: no such file"),
            std::string::npos);
  EXPECT_NE(message({folder_ / "empty"}).find("empty: no .txt"), std::string::npos);
  EXPECT_NE(message({image}).find("image.png: unknown kind"), std::string::npos);
  EXPECT_NE(message({"/dev/null"}).find("not a regular file"), std::string::npos);
  EXPECT_NE(message({nothing}).find("nothing.txt: the file is empty"), std::string::npos);
  EXPECT_NE(message({only_mark}).find("mark.txt: the file is empty"), std::string::npos);
  EXPECT_NE(message({no_lines}).find("holds no text"), std::string::npos);
}

TEST_F(DocumentReaderTest, AnEndlessJsonLineIsRefused) {
  DocumentReaderOptions options;
  options.max_line_bytes = 1000;
  const auto file = write("c.jsonl", "{\"text\": \"x\"}\n{\"text\": \"" + std::string(5000, 'x'));
  const std::string message = user_error([&] { read_all({file}, options); });
  EXPECT_NE(message.find("c.jsonl:2: line longer than 1000 bytes"), std::string::npos) << message;
}

}  // namespace
}  // namespace unfold::data
