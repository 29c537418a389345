// Tokenizers and files: training on them, saving, loading, and files that are damaged or hostile.
#include <gtest/gtest.h>

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/train_tokenizer.h"
#include "tests/data/tokenizer_test_files.h"

namespace unfold::data {
namespace {

using nlohmann::json;

class TokenizerFilesTest : public FilesTest {
 protected:
  // A small tokenizer.json to take apart: bytes, <|endoftext|>, "ab", "abc".
  static json small_tokenizer() {
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("unfold-small-" + std::to_string(getpid()));
    BpeTrainOptions options;
    options.vocab_size = 259;
    const std::vector<WordCount> words = {{"abc", 9}, {"xab", 5}};
    BpeTokenizer(train_bpe(words, options)).save(file);
    json root = json::parse(read_bytes(file));
    std::filesystem::remove(file);
    return root;
  }

  std::string load_error(const json& root) const {
    const auto file = write("tokenizer.json", root.dump());
    const std::string message = user_error([&] { load_tokenizer(file.string()); });
    EXPECT_NE(message.find(file.string()), std::string::npos) << message;
    return message;
  }

  std::shared_ptr<const Tokenizer> load(const json& root) const {
    return load_tokenizer(write("tokenizer.json", root.dump()).string());
  }
};

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(TokenizerFilesTest, TheByteTokenizer) {
  const auto tokenizer = load_tokenizer("byte");
  EXPECT_EQ(tokenizer->kind(), "byte");
  EXPECT_EQ(tokenizer->vocab_size(), 257);
  EXPECT_EQ(tokenizer->eos(), 256);
  EXPECT_EQ(tokenizer->token_bytes(256), "<|endoftext|>");
  EXPECT_EQ(tokenizer->encode("a\xC3\xA9<|endoftext|>"), (std::vector<TokenId>{97, 195, 169, 256}));
  for (const std::string& text : nasty_texts()) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
  EXPECT_THROW(tokenizer->token_bytes(257), core::InternalError);
}

TEST_F(TokenizerFilesTest, TheByteTokenizerComesBackFromItsFile) {
  const auto tokenizer = load_tokenizer("byte");
  tokenizer->save(folder_ / "tokenizer.json");
  const auto again = load_tokenizer(folder_.string());
  EXPECT_EQ(again->kind(), "byte");
  EXPECT_EQ(again->fingerprint(), tokenizer->fingerprint());
}

TEST_F(TokenizerFilesTest, TrainSaveLoadGivesTheSameTokenizer) {
  const auto text = write("corpus.txt", babble(20000, 4));
  const auto lines = write("corpus.jsonl", "{\"text\": \"kalothe kalothe\"}\n{\"text\": \"x\"}\n");
  TrainTokenizerOptions options;
  options.bpe.vocab_size = 600;
  options.bpe.special_tokens = {"<|user|>"};
  std::vector<TrainTokenizerProgress> seen;
  const TrainedTokenizer trained = train_tokenizer(
      {text, lines}, options, [&](const TrainTokenizerProgress& p) { seen.push_back(p); });
  EXPECT_EQ(trained.tokenizer->vocab_size(), 600);
  EXPECT_EQ(trained.documents, 3);
  EXPECT_GT(trained.distinct_words, 100);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().done, seen.front().total);
  EXPECT_EQ(trained.tokenizer->fingerprint().size(), 64U);

  trained.tokenizer->save(folder_ / "tokenizer.json");
  for (const std::string& name : {folder_.string(), (folder_ / "tokenizer.json").string()}) {
    const auto loaded = load_tokenizer(name);
    EXPECT_EQ(loaded->kind(), "bpe");
    EXPECT_EQ(loaded->vocab_size(), 600);
    EXPECT_EQ(loaded->eos(), 256);
    EXPECT_EQ(loaded->fingerprint(), trained.tokenizer->fingerprint());
    EXPECT_TRUE(loaded->is_special(257));
    for (const std::string& nasty : nasty_texts()) {
      EXPECT_EQ(loaded->encode(nasty), trained.tokenizer->encode(nasty));
    }
  }
  EXPECT_NE(trained.tokenizer->fingerprint(), load_tokenizer("byte")->fingerprint());
}

TEST_F(TokenizerFilesTest, TrainingIsTheSameOnAnyNumberOfThreads) {
  std::vector<std::filesystem::path> files;
  for (std::uint64_t seed = 0; seed < 7; ++seed) {
    files.push_back(write(std::to_string(seed) + ".txt", babble(3000, seed)));
  }
  std::string first;
  for (const int threads : {1, 2, 3, 8}) {
    TrainTokenizerOptions options;
    options.bpe.vocab_size = 500;
    options.threads = threads;
    const std::string fingerprint = train_tokenizer(files, options).tokenizer->fingerprint();
    if (first.empty()) first = fingerprint;
    EXPECT_EQ(fingerprint, first);
  }
}

TEST_F(TokenizerFilesTest, PiecesOfALongDocumentEncodeLikeTheWhole) {
  const std::string text = babble(20000, 8);
  const auto file = write("long.txt", text);
  TrainTokenizerOptions training;
  training.bpe.vocab_size = 600;
  const auto tokenizer = train_tokenizer({file}, training).tokenizer;
  DocumentReaderOptions options;
  options.piece_bytes = 1000;
  DocumentReader reader({file}, options);
  std::vector<TokenId> ids;
  for (Document piece; reader.next(piece);) {
    const std::vector<TokenId> part = tokenizer->encode(piece.text);
    ids.insert(ids.end(), part.begin(), part.end());
  }
  EXPECT_EQ(ids, tokenizer->encode(text));
}

TEST_F(TokenizerFilesTest, LittleTextGivesASmallerVocabulary) {
  TrainTokenizerOptions options;
  options.bpe.vocab_size = 1000;
  const auto trained = train_tokenizer({write("a.txt", "abab abab xyz")}, options);
  EXPECT_EQ(trained.tokenizer->token_bytes(257), "ab");
  EXPECT_LT(trained.tokenizer->vocab_size(), 262);
}

TEST_F(TokenizerFilesTest, TrainingInputErrorsAreTheReaders) {
  const auto bad = write("bad.txt", "ab\xFF");
  EXPECT_HAS(user_error([&] { train_tokenizer({bad}, {}); }), "bad.txt: invalid UTF-8 at byte 2");
  EXPECT_HAS(user_error([&] { train_tokenizer({write("e.txt", "")}, {}); }),
             "e.txt: the file is empty");
  EXPECT_HAS(user_error([&] { train_tokenizer({folder_ / "no"}, {}); }), "no such file");
  EXPECT_HAS(user_error([&] { train_tokenizer({}, {}); }), "no input");
  TrainTokenizerOptions options;
  options.invalid_utf8 = InvalidUtf8::replace;
  EXPECT_EQ(train_tokenizer({bad}, options).bytes, 5);
  options.bpe.vocab_size = 3;
  EXPECT_HAS(user_error([&] { train_tokenizer({folder_ / "no"}, options); }), "choose 257");
  options = {};
  options.bpe.min_count = 0;
  EXPECT_HAS(user_error([&] { train_tokenizer({bad}, options); }), "least pair count");
}

TEST_F(TokenizerFilesTest, SavingWhereItCannotBeWrittenIsAnError) {
  const auto tokenizer = load_tokenizer("byte");
  EXPECT_HAS(user_error([&] { tokenizer->save(folder_ / "no" / "tokenizer.json"); }),
             "tokenizer.json");
  std::filesystem::create_directories(folder_ / "taken" / "inside");
  EXPECT_HAS(user_error([&] { tokenizer->save(folder_ / "taken"); }), "cannot be written");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "taken.part"));
}

TEST_F(TokenizerFilesTest, NamesThatAreNoTokenizer) {
  EXPECT_HAS(user_error([&] { load_tokenizer((folder_ / "no.json").string()); }),
             "no.json: no such file");
  EXPECT_HAS(user_error([&] { load_tokenizer(folder_.string()); }), "has no tokenizer.json");
  EXPECT_HAS(user_error([&] { load_tokenizer(""); }), "no such file");
  EXPECT_HAS(user_error([&] { load_tokenizer("/dev/null"); }), "/dev/null");
}

TEST_F(TokenizerFilesTest, EveryTruncationIsAnErrorThatNamesTheFile) {
  const std::string whole = small_tokenizer().dump();
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 150) {
    const auto file = write("cut.json", whole.substr(0, size));
    EXPECT_HAS(user_error([&] { load_tokenizer(file.string()); }), "cut.json: not valid JSON");
  }
}

TEST_F(TokenizerFilesTest, AnyDamagedByteGivesAnErrorOrATokenizer) {
  const std::string whole = small_tokenizer().dump();
  Lcg random(11);
  int errors = 0;
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    for (std::uint32_t n = 0; n <= random.below(3); ++n) {
      damaged[random.below(static_cast<std::uint32_t>(whole.size()))] =
          static_cast<char>(random.below(256));
    }
    try {
      const auto tokenizer = load_tokenizer(write("damaged.json", damaged).string());
      EXPECT_EQ(tokenizer->vocab_size(), 259);
    } catch (const core::UserError& error) {
      EXPECT_HAS(std::string(error.what()), "damaged.json");
      ++errors;
    }
  }
  EXPECT_GT(errors, 100);
}

TEST_F(TokenizerFilesTest, HostileVocabularies) {
  const json small = small_tokenizer();
  const auto with = [&](auto&& change) {
    json root = small;
    change(root);
    return load_error(root);
  };
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = 258; }), "given twice");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = 256; }), "given twice");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = 259; }), "outside 0..258");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = -1; }), "outside 0..258");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = std::int64_t{1} << 40; }), "outside");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = ~std::uint64_t{0}; }), "out of range");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = 257.0; }), "expected an integer");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["ab"] = "257"; }), "model.vocab[\"ab\"]");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"]["日"] = 259; }), "not a byte-level token");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"][""] = 259; }), "not a byte-level token");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"].erase("ab"); }), "outside");
  EXPECT_HAS(with([](json& r) { r["model"]["vocab"] = json::array({"a"}); }), "expected an object");
  EXPECT_HAS(with([](json& r) { r["model"].erase("vocab"); }), "model.vocab: expected an object");
  EXPECT_HAS(with([](json& r) { r.erase("model"); }), "model: expected an object, found null");
  EXPECT_HAS(with([](json& r) { r = json::array(); }), "expected a JSON object");
  json huge = small;
  huge["model"]["vocab"]["ab"] = "HUGE";
  std::string text = huge.dump();
  text.replace(text.find("\"HUGE\""), 6, "1" + std::string(400, '0'));
  const auto file = write("huge.json", text);
  EXPECT_HAS(user_error([&] { load_tokenizer(file.string()); }), "huge.json");
  const auto deep = write("deep.json", "{\"model\":" + std::string(200000, '['));
  EXPECT_HAS(user_error([&] { load_tokenizer(deep.string()); }), "deep.json: not valid JSON");
}

TEST_F(TokenizerFilesTest, HostileMerges) {
  const json small = small_tokenizer();
  const auto with = [&](const json& merge) {
    json root = small;
    root["model"]["merges"].push_back(merge);
    return load_error(root);
  };
  EXPECT_HAS(with("ab zz"), "model.merges[2]: token 'zz' is not in the vocabulary");
  EXPECT_HAS(with("abc"), "expected two tokens");
  EXPECT_HAS(with("a b c"), "expected two tokens");
  EXPECT_HAS(with(json::array({"a"})), "expected two tokens");
  EXPECT_HAS(with(json::array({"a", 5})), "expected a string");
  EXPECT_HAS(with(17), "expected an array");
  EXPECT_HAS(with("a b"), "merge 2 is listed twice");
  EXPECT_HAS(with("b a"), "merge 2 makes a token that is not in the vocabulary");
  json root = small;
  root["model"].erase("merges");
  EXPECT_HAS(load_error(root), "model.merges: expected an array");
}

TEST_F(TokenizerFilesTest, MergesAsPairsMeanTheSame) {
  json root = small_tokenizer();
  const std::string fingerprint = load(root)->fingerprint();
  for (json& merge : root["model"]["merges"]) {
    const std::string text = merge;
    merge = json::array({text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)});
  }
  EXPECT_EQ(load(root)->fingerprint(), fingerprint);
}

TEST_F(TokenizerFilesTest, HostileAddedTokens) {
  const json small = small_tokenizer();
  const auto with = [&](const json& entry) {
    json root = small;
    root["added_tokens"].push_back(entry);
    return load_error(root);
  };
  EXPECT_HAS(with({{"id", 256}, {"content", "<x>"}}), "given twice");
  EXPECT_HAS(with({{"id", 258}, {"content", "<x>"}}), "given twice");
  EXPECT_HAS(with({{"id", 260}, {"content", "<x>"}}), "outside 0..259");
  EXPECT_HAS(with({{"id", -5}, {"content", "<x>"}}), "outside");
  EXPECT_HAS(with({{"id", "1"}, {"content", "<x>"}}), "expected an integer");
  EXPECT_HAS(with({{"id", 259}, {"content", ""}}), "empty");
  EXPECT_HAS(with({{"id", 259}}), "added_tokens[1].content: expected a string");
  EXPECT_HAS(with({{"id", 257}, {"content", "abc"}}), "another one in the vocabulary");
  EXPECT_HAS(with({{"id", 259}, {"content", "<x>"}, {"lstrip", 1}}), "expected true or false");
  EXPECT_HAS(with({{"id", 259}, {"content", "<x>"}, {"special", 1}}), "expected true or false");
  EXPECT_HAS(with("<x>"), "added_tokens[1]: expected an object");
  EXPECT_HAS(with({{"id", 259}, {"content", "<x>"}, {"role", "eos"}}), "second token");
  json root = small;
  root["added_tokens"] = "none";
  EXPECT_HAS(load_error(root), "added_tokens: expected an array");
  root["added_tokens"] = json::array();
  EXPECT_HAS(load_error(root), "no end-of-document token");
}

TEST_F(TokenizerFilesTest, ComponentsWeDoNotRunAreNamed) {
  const json small = small_tokenizer();
  const auto with = [&](const char* pointer, const json& value) {
    json root = small;
    root[json::json_pointer(pointer)] = value;
    return load_error(root);
  };
  EXPECT_HAS(with("/model/type", "Unigram"), "model.type: model Unigram is not supported");
  EXPECT_HAS(with("/model/byte_fallback", true), "model.byte_fallback");
  EXPECT_HAS(with("/model/dropout", 0.1), "model.dropout");
  EXPECT_HAS(with("/model/end_of_word_suffix", "</w>"), "end_of_word_suffix");
  EXPECT_HAS(with("/normalizer", {{"type", "Lowercase"}}), "normalizer Lowercase is not supported");
  EXPECT_HAS(with("/pre_tokenizer", {{"type", "Metaspace"}}), "pre-tokenizer Metaspace is not");
  EXPECT_HAS(with("/pre_tokenizer", nullptr), "pre_tokenizer: missing");
  EXPECT_HAS(with("/pre_tokenizer", 5), "pre_tokenizer: expected an object");
  EXPECT_HAS(with("/pre_tokenizer/pretokenizers/0/behavior", "MergedWithNext"), "MergedWithNext");
  EXPECT_HAS(with("/pre_tokenizer/pretokenizers/0/pattern", {{"Regex", "(a"}}), "pattern: ");
  EXPECT_HAS(with("/pre_tokenizer/pretokenizers/0/pattern", json::object()), "pattern.Regex");
  EXPECT_HAS(with("/pre_tokenizer/pretokenizers/1/add_prefix_space", 5), "add_prefix_space");
  EXPECT_HAS(with("/post_processor", {{"type", "Wild"}}), "post-processor Wild is not supported");
  EXPECT_HAS(with("/post_processor", {{"type", "RobertaProcessing"}, {"cls", {"<s>", 999}}}),
             "id 999 is not in the vocabulary");
  EXPECT_HAS(with("/pre_tokenizer/pretokenizers/1", {{"type", "Digits"}}), "ByteLevel must stand");
  EXPECT_HAS(with("/pre_tokenizer/pretokenizers/0",
                  {{"type", "Sequence"}, {"pretokenizers", json::array()}}),
             "Sequence inside a Sequence");
  EXPECT_HAS(with("/decoder", {{"type", "WordPiece"}}), "decoder WordPiece is not supported");
}

TEST_F(TokenizerFilesTest, PipelinesOfOtherFamiliesLoadAndSaveUnchanged) {
  const json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const json gpt2 = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const auto split = [](const char* pattern, const char* behavior, bool invert) {
    return json{{"type", "Split"},
                {"pattern", {{"Regex", pattern}}},
                {"behavior", behavior},
                {"invert", invert}};
  };
  const auto sequence = [](const json& parts) {
    return json{{"type", "Sequence"}, {"pretokenizers", parts}};
  };
  const std::vector<json> pipelines = {
      gpt2,
      sequence({digits, gpt2}),
      sequence({split("\\p{N}{1,3}| ?\\p{L}+|\\s+", "Isolated", false), byte_level}),
      sequence({split("\\p{N}| ?[^\\s]+|\\s+", "Removed", true), byte_level}),
  };
  std::set<std::string> fingerprints;
  for (const json& pipeline : pipelines) {
    json root = small_tokenizer();
    root["pre_tokenizer"] = pipeline;
    root["normalizer"] = {{"type", "NFC"}};
    root["model"]["ignore_merges"] = true;
    const auto tokenizer = load(root);
    const std::string text = "abc 1234 ab\u00E9\n xab";
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    tokenizer->save(folder_ / "again.json");
    const auto again = load_tokenizer((folder_ / "again.json").string());
    EXPECT_EQ(again->fingerprint(), tokenizer->fingerprint());
    fingerprints.insert(again->fingerprint());
  }
  EXPECT_EQ(fingerprints.size(), pipelines.size());
}

TEST_F(TokenizerFilesTest, EndOfDocumentTokenFromRoleConfigOrName) {
  json root = small_tokenizer();
  root["added_tokens"][0].erase("role");
  root["added_tokens"].push_back({{"id", 259}, {"content", "<|im_end|>"}, {"special", true}});
  root["added_tokens"].push_back({{"id", 260}, {"content", "<s>"}, {"special", true}});
  EXPECT_EQ(load(root)->eos(), 256);
  EXPECT_EQ(load(root)->bos(), 260);

  write("tokenizer_config.json", R"({"eos_token": {"content": "<|im_end|>"}, "bos_token": null})");
  const auto configured = load(root);
  EXPECT_EQ(configured->eos(), 259);
  EXPECT_EQ(configured->bos(), std::nullopt);
  write("tokenizer_config.json", R"({"eos_token": "<|im_end|>", "bos_token": "<|im_end|>"})");
  const auto both = load(root);
  EXPECT_EQ(both->bos(), 259);
  std::filesystem::create_directories(folder_ / "saved");
  both->save(folder_ / "saved" / "tokenizer.json");
  const auto again = load_tokenizer((folder_ / "saved").string());
  EXPECT_EQ(again->eos(), 259);
  EXPECT_EQ(again->bos(), 259);
  EXPECT_EQ(again->fingerprint(), both->fingerprint());

  write("tokenizer_config.json", R"({"eos_token": "<none>"})");
  const std::string message = user_error([&] { load_tokenizer(folder_.string()); });
  EXPECT_HAS(message, "tokenizer_config.json: eos_token: '<none>' is not among");
  root["added_tokens"][1]["role"] = "eos";
  EXPECT_EQ(load(root)->eos(), 259);
}

TEST_F(TokenizerFilesTest, WordStartsFollowTheDecodedText) {
  json root = small_tokenizer();
  const auto add = [&](const char* token, const char* left, const char* right) {
    const auto id = root["model"]["vocab"].size();
    root["model"]["vocab"][token] = id;
    root["model"]["merges"].push_back(json::array({left, right}));
  };
  add("\u0120a", "\u0120", "a");            // " a"
  add("a\u0120", "a", "\u0120");            // "a "
  add("\u010A\u010A", "\u010A", "\u010A");  // two line ends
  const auto tokenizer = load(root);
  const std::vector<std::uint8_t> table = starts_word_table(*tokenizer);
  ASSERT_EQ(table.size(), 262U);
  for (const char c : std::string_view(" \t\n\r.,;:!?-()[]{}\"'")) {
    EXPECT_EQ(table[static_cast<unsigned char>(c)], 1) << c;
  }
  for (const char c : std::string_view("aZ09_<>/\xE2\x80\xFF")) {
    EXPECT_EQ(table[static_cast<unsigned char>(c)], 0) << c;
  }
  EXPECT_EQ(table[256], 1);  // special: decodes to nothing
  EXPECT_EQ(table[257], 0);  // "ab"
  EXPECT_EQ(table[259], 1);
  EXPECT_EQ(table[260], 0);
  EXPECT_EQ(table[261], 1);
}

}  // namespace
}  // namespace unfold::data
