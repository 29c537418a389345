// Vocabularies of GGUF files: pre-tokenizers by name, kinds of tokens, hostile tables.
#include "data/tokenizer/vocabulary_tables.h"

#include <gtest/gtest.h>

#include "data/tokenizer/gguf_vocabulary.h"
#include "tests/data/tokenizer_test_files.h"
#include "tests/support/gguf_builder.h"

namespace unfold::data {
namespace {

using test::GgufBuilder;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

// All bytes, "ab", "Ġab", "12", "123", then a control, a user-defined and two unused tokens.
VocabularyTables small_tables() {
  VocabularyTables tables;
  tables.model = "gpt2";
  tables.pre = "gpt-2";
  // The byte alphabet: printable bytes stand for themselves, the others count up from U+0100.
  std::uint32_t next = 0x100;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    std::string text;
    append_utf8(text, printable ? byte : next++);
    tables.tokens.push_back(text);
  }
  for (const char* token :
       {"ab", "\u0120ab", "12", "123", "<|end|>", "<user>", "[PAD1]", "[PAD2]"}) {
    tables.tokens.emplace_back(token);
  }
  tables.types.assign(260, kNormalToken);
  tables.types.insert(tables.types.end(),
                      {kControlToken, kUserDefinedToken, kUnusedToken, kUnusedToken});
  tables.merges = {"a b", "\u0120 ab", "1 2", "12 3"};
  tables.eos = 260;
  return tables;
}

std::vector<TokenId> encode(const VocabularyTables& tables, std::string_view text) {
  return make_tokenizer(tokenizer_from_tables(tables, "x.gguf"))->encode(text);
}

std::string error_of(const VocabularyTables& tables) {
  const std::string message =
      user_error([&] { make_tokenizer(tokenizer_from_tables(tables, "x.gguf")); });
  return message;
}

TEST(VocabularyTables, KindsOfTokens) {
  const auto tokenizer = make_tokenizer(tokenizer_from_tables(small_tables(), "x.gguf"));
  EXPECT_EQ(tokenizer->vocab_size(), 262);  // without the unused ones
  EXPECT_EQ(tokenizer->eos(), 260);
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_TRUE(tokenizer->is_special(260));
  EXPECT_FALSE(tokenizer->is_special(261));
  EXPECT_EQ(tokenizer->token_bytes(257), " ab");
  EXPECT_EQ(tokenizer->encode("ab ab<|end|><user>\n"),
            (std::vector<TokenId>{256, 257, 260, 261, '\n'}));
}

TEST(VocabularyTables, PreTokenizersByName) {
  VocabularyTables tables = small_tables();
  EXPECT_EQ(encode(tables, "1234"), (std::vector<TokenId>{259, '4'}));
  tables.pre = "llama-bpe";
  EXPECT_EQ(encode(tables, "1234 ab"), (std::vector<TokenId>{259, '4', 257}));
  EXPECT_EQ(encode(tables, "e\u0301").size(), 3U);
  tables.pre = "qwen2";
  EXPECT_EQ(encode(tables, "1234"), (std::vector<TokenId>{'1', '2', '3', '4'}));
  EXPECT_EQ(encode(tables, "e\u0301").size(), 2U);  // composed
  tables.pre = "smollm";
  EXPECT_EQ(encode(tables, "123 ab"), (std::vector<TokenId>{'1', '2', '3', 257}));
  tables.pre = "default";
  EXPECT_EQ(encode(tables, "1234 ab"), (std::vector<TokenId>{259, '4', 257}));
  tables.pre = "tekken";
  EXPECT_HAS(error_of(tables), "x.gguf: pre-tokenizer tekken is not supported");
  tables.pre = "";
  EXPECT_HAS(error_of(tables), "tokenizer.ggml.pre");
}

TEST(VocabularyTables, HostileTables) {
  const auto with = [](auto&& change) {
    VocabularyTables tables = small_tables();
    change(tables);
    return error_of(tables);
  };
  using Tables = VocabularyTables;
  EXPECT_HAS(with([](Tables& t) { t.model = "t5"; }), "model t5 is not supported");
  EXPECT_HAS(with([](Tables& t) { t.tokens.clear(); }), "0 tokens");
  EXPECT_HAS(with([](Tables& t) { t.types.pop_back(); }), "263 token types for 264 tokens");
  EXPECT_HAS(with([](Tables& t) { t.eos.reset(); }), "no end-of-document token");
  EXPECT_HAS(with([](Tables& t) { t.eos = 264; }), "outside 0..263");
  EXPECT_HAS(with([](Tables& t) { t.bos = -7; }), "outside 0..263");
  EXPECT_HAS(with([](Tables& t) { t.tokens[256] = ""; }), "token 256 is empty");
  EXPECT_HAS(with([](Tables& t) { t.tokens[256] = "\xC3("; }), "token 256 is not valid UTF-8");
  EXPECT_HAS(with([](Tables& t) { t.tokens[260] = "\xFF"; }), "token 260 is not valid UTF-8");
  EXPECT_HAS(with([](Tables& t) { t.tokens[256] = "日"; }), "not written in the byte alphabet");
  EXPECT_HAS(with([](Tables& t) { t.tokens[256] = "12"; }), "");
  EXPECT_HAS(with([](Tables& t) { t.merges[0] = "ab"; }), "merge 0 is not two tokens");
  EXPECT_HAS(with([](Tables& t) { t.merges[1] = "a b c"; }), "merge 1 is not two tokens");
  EXPECT_HAS(with([](Tables& t) { t.merges[1] = "a zz"; }), "merge 1 has a token that is not");
  EXPECT_HAS(with([](Tables& t) { t.merges[1] = "b a"; }), "merge 1 makes a token that is not");
  EXPECT_HAS(with([](Tables& t) { t.merges[1] = "a b"; }), "merge 1 is listed twice");
  EXPECT_HAS(with([](Tables& t) { t.model = "llama"; }), "0 scores for 264 tokens");
  EXPECT_HAS(with([](Tables& t) {
               t.model = "llama";
               t.scores.resize(264);
               t.tokens[256] = std::string(2000, 'x');
             }),
             "token 256 has 2000 bytes");
}

class GgufVocabularyTest : public FilesTest {};

TEST_F(GgufVocabularyTest, IsReadFromMetadata) {
  const VocabularyTables tables = small_tables();
  const auto builder = [&] {
    GgufBuilder file;
    file.text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "smollm")
        .texts("tokenizer.ggml.tokens", tables.tokens)
        .integers("tokenizer.ggml.token_type", tables.types)
        .texts("tokenizer.ggml.merges", tables.merges)
        .boolean("tokenizer.ggml.add_bos_token", true)
        .text("tokenizer.chat_template", "{{ messages }}");
    return file;
  };
  const auto good =
      write("good.gguf", builder().integer("tokenizer.ggml.eos_token_id", 260).build());
  const VocabularyTables read = read_gguf_vocabulary(good);
  EXPECT_EQ(read.tokens, tables.tokens);
  EXPECT_EQ(read.merges, tables.merges);
  EXPECT_EQ(read.types, tables.types);
  EXPECT_EQ(read.eos, 260);
  EXPECT_TRUE(read.add_bos);
  EXPECT_EQ(read.chat_template, "{{ messages }}");
  const auto tokenizer = load_tokenizer(good.string());
  EXPECT_EQ(tokenizer->kind(), "bpe");
  tokenizer->save(folder_ / "tokenizer.json");
  EXPECT_EQ(load_tokenizer(folder_.string())->fingerprint(), tokenizer->fingerprint());

  const auto error = [&](const std::string& bytes) {
    const auto file = write("bad.gguf", bytes);
    const std::string message = user_error([&] { load_tokenizer(file.string()); });
    EXPECT_HAS(message, "bad.gguf: ");
    return message;
  };
  EXPECT_HAS(error(GgufBuilder().build()), "'tokenizer.ggml.model' is missing");
  EXPECT_HAS(error(builder().build()), "no end-of-document token");
  EXPECT_HAS(error(builder().number("tokenizer.ggml.eos_token_id", 1).build()), "an integer");
  EXPECT_HAS(error(builder().integer("tokenizer.ggml.eos_token_id", 3000000000U).build()),
             "out of range");
  EXPECT_HAS(error(GgufBuilder().text("tokenizer.ggml.model", "gpt2").build()), "0 tokens");
  EXPECT_HAS(error(GgufBuilder()
                       .text("tokenizer.ggml.model", "gpt2")
                       .text("tokenizer.chat_template", "\xFF")
                       .build()),
             "chat_template' is not valid UTF-8");
}

}  // namespace
}  // namespace unfold::data
