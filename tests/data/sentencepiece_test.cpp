// SentencePiece-style BPE: ids of the Python package (tests/golden/make_sentencepiece.py), merging
// by its definition, decoding, files, and what is refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "data/tokenizer/sentencepiece_merges.h"
#include "data/tokenizer/sentencepiece_tokenizer.h"
#include "data/tokenizer/vocabulary_tables.h"
#include "tests/data/tokenizer_test_files.h"

namespace unfold::data {
namespace {

using nlohmann::json;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

const json& golden() {
  static const json root =
      json::parse(read_bytes(std::string(UNFOLD_SOURCE_DIR) + "/tests/golden/sentencepiece.json"));
  return root;
}

VocabularyTables golden_tables() {
  VocabularyTables tables;
  tables.model = "llama";
  tables.tokens = golden()["tokens"].get<std::vector<std::string>>();
  tables.scores = golden()["scores"].get<std::vector<float>>();
  tables.types = golden()["types"].get<std::vector<std::int32_t>>();
  tables.bos = 1;
  tables.eos = 2;
  return tables;
}

TokenizerSpec golden_spec() {
  return tokenizer_from_tables(golden_tables(), "golden");
}

class SentencePieceTest : public FilesTest {
 protected:
  json saved() const {
    make_tokenizer(golden_spec())->save(folder_ / "tokenizer.json");
    return json::parse(read_bytes(folder_ / "tokenizer.json"));
  }
  std::shared_ptr<const Tokenizer> load(const json& root) const {
    return load_tokenizer(write("tokenizer.json", root.dump()).string());
  }
  std::string load_error(const json& root) const {
    const auto file = write("tokenizer.json", root.dump());
    const std::string message = user_error([&] { load_tokenizer(file.string()); });
    EXPECT_HAS(message, file.string());
    return message;
  }
};

TEST_F(SentencePieceTest, IdsAreThoseOfThePythonPackage) {
  const auto tokenizer = make_tokenizer(golden_spec());
  EXPECT_EQ(tokenizer->kind(), "sentencepiece");
  EXPECT_EQ(tokenizer->vocab_size(), 500);
  for (const json& entry : golden()["texts"]) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(tokenizer->encode(text), entry["ids"].get<std::vector<TokenId>>()) << text;
  }
}

// The definition, word for word: the neighbours whose union has the highest score, leftmost first.
std::vector<TokenId> encode_by_definition(const VocabularyTables& tables, std::string_view text) {
  std::vector<std::string> symbols = {std::string(kSpaceMark)};
  for (const char c : text)
    symbols.push_back(c == ' ' ? std::string(kSpaceMark) : std::string(1, c));
  const auto id_of = [&](const std::string& piece) {
    const auto found = std::find(tables.tokens.begin() + 259, tables.tokens.end(), piece);
    return found == tables.tokens.end() ? TokenId{-1}
                                        : static_cast<TokenId>(found - tables.tokens.begin());
  };
  while (true) {
    std::size_t best = symbols.size();
    float best_score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const TokenId id = id_of(symbols[i] + symbols[i + 1]);
      if (id < 0) continue;
      const float score = tables.scores[static_cast<std::size_t>(id)];
      if (best == symbols.size() || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    if (best == symbols.size()) break;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<TokenId> ids;
  for (const std::string& symbol : symbols) ids.push_back(id_of(symbol));
  return ids;
}

TEST_F(SentencePieceTest, MergesByBestScoreAsDefined) {
  const VocabularyTables tables = golden_tables();
  const auto tokenizer = make_tokenizer(golden_spec());
  Lcg random(5);
  static constexpr std::string_view kParts[] = {"the", "of", " ",  "ing", "th",
                                                "e",   "qu", "  ", "o"};
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (std::uint32_t n = 0; n <= random.below(40); ++n) text += kParts[random.below(9)];
    EXPECT_EQ(tokenizer->encode(text), encode_by_definition(tables, text)) << text;
  }
}

TEST_F(SentencePieceTest, DecodingIsExact) {
  const auto tokenizer = make_tokenizer(golden_spec());
  for (const std::string& text : nasty_texts()) {
    // A space mark in the text itself comes back as a space: SentencePiece cannot tell them apart.
    if (text.find(kSpaceMark) != text.npos) continue;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
  std::vector<TokenId> between = tokenizer->encode("a");
  between.insert(between.begin(), 1);
  between.push_back(2);
  EXPECT_EQ(tokenizer->encode("<s>a</s>"), between);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("<s>a</s>")), "a");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("<s>a</s>"), true), "<s> a</s>");
  EXPECT_EQ(tokenizer->token_bytes(3), std::string_view("\0", 1));
  EXPECT_EQ(tokenizer->token_bytes(3 + 0xE4), "\xE4");
  EXPECT_TRUE(tokenizer->is_special(0));
  EXPECT_FALSE(tokenizer->is_special(3));
  EXPECT_THROW(tokenizer->token_bytes(500), core::InternalError);
  EXPECT_HAS(user_error([&] { tokenizer->encode("a\xFF"); }), "not valid UTF-8 at byte 1");
}

TEST_F(SentencePieceTest, WordsAndWholeTextGiveTheSameTokens) {
  // A token with a space mark inside, which nothing merges into, turns cutting off.
  TokenizerSpec whole = golden_spec();
  whole.tokens.push_back("zz" + std::string(kSpaceMark) + "zz");
  const auto in_words = make_tokenizer(golden_spec());
  const auto at_once = make_tokenizer(whole);
  for (const std::string& text : nasty_texts()) {
    EXPECT_EQ(in_words->encode(text), at_once->encode(text)) << text.substr(0, 40);
  }
  const std::string text = babble(20000, 3);
  EXPECT_EQ(in_words->encode(text), at_once->encode(text));
}

TEST_F(SentencePieceTest, WordStartsFollowTheDecodedText) {
  const auto tokenizer = make_tokenizer(golden_spec());
  const std::vector<std::uint8_t> table = starts_word_table(*tokenizer);
  EXPECT_EQ(table[0], 1);         // special
  EXPECT_EQ(table[3 + '\n'], 1);  // a byte
  EXPECT_EQ(table[3 + 'a'], 0);   // a byte
  const std::vector<TokenId> ids = tokenizer->encode("a");
  EXPECT_EQ(table[static_cast<std::size_t>(ids[0])], 1);  // begins with the space
  EXPECT_EQ(table[static_cast<std::size_t>(ids.back())], 0);
}

TEST_F(SentencePieceTest, SavedAndLoadedItIsTheSame) {
  using Prefix = SentencePieceSpec::Prefix;
  std::set<std::string> fingerprints;
  for (const Prefix prefix :
       {Prefix::none, Prefix::every, Prefix::unless_space, Prefix::first_unless_space}) {
    TokenizerSpec spec = golden_spec();
    spec.sentencepiece->prefix = prefix;
    spec.sentencepiece->strip_space = prefix != Prefix::none;
    const auto tokenizer = make_tokenizer(spec);
    tokenizer->save(folder_ / "tokenizer.json");
    const auto again = load_tokenizer(folder_.string());
    EXPECT_EQ(again->kind(), "sentencepiece");
    EXPECT_EQ(again->fingerprint(), tokenizer->fingerprint());
    EXPECT_EQ(again->eos(), 2);
    EXPECT_EQ(again->bos(), 1);
    for (const char* text : {"the quick", " the", "a</s> b</s>c", "\n"}) {
      EXPECT_EQ(again->encode(text), tokenizer->encode(text));
    }
    fingerprints.insert(again->fingerprint());
  }
  EXPECT_EQ(fingerprints.size(), 4U);
}

TEST_F(SentencePieceTest, WhereASpaceIsPutBeforeText) {
  using Prefix = SentencePieceSpec::Prefix;
  const auto decoded = [](Prefix prefix, const char* text) {
    TokenizerSpec spec = golden_spec();
    spec.sentencepiece->prefix = prefix;
    spec.sentencepiece->strip_space = false;
    const auto tokenizer = make_tokenizer(spec);
    return tokenizer->decode(tokenizer->encode(text), true);
  };
  EXPECT_EQ(decoded(Prefix::none, "a</s>b</s> c"), "a</s>b</s> c");
  EXPECT_EQ(decoded(Prefix::every, "a</s>b</s> c"), " a</s> b</s>  c");
  EXPECT_EQ(decoded(Prefix::unless_space, "a</s>b</s> c"), " a</s> b</s> c");
  EXPECT_EQ(decoded(Prefix::first_unless_space, "a</s>b</s> c"), " a</s>b</s> c");
  EXPECT_EQ(decoded(Prefix::first_unless_space, "</s>b"), "</s>b");
}

TEST_F(SentencePieceTest, UnknownCharacters) {
  VocabularyTables tables;
  tables.model = "llama";
  tables.tokens = {"<unk>", "</s>", "a", "b", "ab", "<0xC3>"};
  tables.scores = {0, 0, -2, -3, -1, 0};
  tables.types = {2, 3, 1, 1, 1, 6};
  tables.eos = 1;
  tables.add_space_prefix = false;
  const auto tokenizer = make_tokenizer(tokenizer_from_tables(tables, "x"));
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<TokenId>{4}));
  EXPECT_EQ(tokenizer->encode("aé日 b"), (std::vector<TokenId>{2, 0, 3}));
  tables.types[0] = 1;
  const auto strict = make_tokenizer(tokenizer_from_tables(tables, "x"));
  EXPECT_HAS(user_error([&] { strict->encode("aé"); }), "no token for 'é'");
}

TEST_F(SentencePieceTest, ComponentsWeDoNotRunAreNamed) {
  const json good = saved();
  EXPECT_EQ(load(good)->vocab_size(), 500);
  const auto with = [&](const char* pointer, const json& value) {
    json root = good;
    root[json::json_pointer(pointer)] = value;
    return load_error(root);
  };
  EXPECT_HAS(with("/normalizer", nullptr), "normalizer: nothing replaces spaces");
  EXPECT_HAS(with("/normalizer", {{"type", "NFKC"}}), "normalizer NFKC is not supported");
  EXPECT_HAS(with("/normalizer/normalizers/0/prepend", "x"), "prepend: only");
  EXPECT_HAS(with("/normalizer/normalizers/1/content", "x"), "content: only");
  EXPECT_HAS(with("/pre_tokenizer", {{"type", "ByteLevel"}}), "model.byte_fallback: not supported");
  const json metaspace = {{"type", "Metaspace"}, {"replacement", kSpaceMark}, {"split", false}};
  EXPECT_HAS(with("/pre_tokenizer", metaspace), "normalizer: not supported beside a Metaspace");
  json root = good;
  root["normalizer"] = nullptr;
  root["pre_tokenizer"] = metaspace;
  EXPECT_EQ(load(root)->encode("a"), load(good)->encode("a"));
  root["pre_tokenizer"]["split"] = true;
  EXPECT_HAS(load_error(root), "split");
  root["pre_tokenizer"]["split"] = false;
  root["pre_tokenizer"]["prepend_scheme"] = "last";
  EXPECT_HAS(load_error(root), "'last' is not supported");
  EXPECT_HAS(with("/decoder", nullptr), "decoder: expected a Sequence");
  EXPECT_HAS(with("/decoder/decoders/3/start", 2), "only one space");
  EXPECT_HAS(with("/decoder/decoders/2", {{"type", "CTC"}}), "decoder CTC is not supported");
  EXPECT_HAS(with("/model/ignore_merges", true), "ignore_merges");
  EXPECT_HAS(with("/model/unk_token", "<none>"), "unk_token: is not in the vocabulary");
  EXPECT_HAS(with("/model/merges/0", "the zzz"), "'zzz' is not in the vocabulary");
}

TEST_F(SentencePieceTest, TokenizersOfLlama2c) {
  const auto raw = [](auto value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const auto token = [&](const std::string& text, float score) {
    return raw(score) + raw(static_cast<std::int32_t>(text.size())) + text;
  };
  const std::string good = raw(std::int32_t{7}) + token("<unk>", 0) + token("\n<s>\n", 0) +
                           token("\n</s>\n", 0) + token("<0x0A>", 0) + token(" ", -3) +
                           token("a", -2) + token(" a", -1);
  const auto tokenizer = load_tokenizer(write("tok.bin", good).string());
  EXPECT_EQ(tokenizer->kind(), "sentencepiece");
  EXPECT_EQ(tokenizer->vocab_size(), 7);
  EXPECT_EQ(tokenizer->encode("a\na</s>"), (std::vector<TokenId>{6, 3, 5, 2}));
  EXPECT_EQ(tokenizer->bos(), 1);
  for (std::size_t size = 1; size < good.size(); ++size) {
    const auto file = write("cut.bin", good.substr(0, size));
    try {  // cut between two tokens it is a smaller vocabulary
      load_tokenizer(file.string());
    } catch (const core::UserError& error) {
      EXPECT_HAS(std::string(error.what()), "cut.bin");
    }
  }
  const auto error = [&](const std::string& bytes) {
    return user_error([&] { load_tokenizer(write("bad.bin", bytes).string()); });
  };
  EXPECT_HAS(error(std::string(100, 'x')), "bad.bin: a longest token");
  EXPECT_HAS(
      error(good.substr(0, 4) + token("a", 0) + token("b", 0) + token("c", 0) + token("d", 0)),
      "does not begin with <unk>");
  EXPECT_HAS(error(good + raw(0.0F) + raw(std::int32_t{-5})), "token 7: -5 bytes");
  EXPECT_HAS(error(good + raw(0.0F) + raw(std::int32_t{2000000000})), "token 7");
  EXPECT_HAS(error(good + token("\xFF", 0)), "token 7 is not valid UTF-8");
}

}  // namespace
}  // namespace unfold::data
