#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/bpe_trainer.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "tests/data/tokenizer_test_files.h"

namespace unfold::data {
namespace {

std::vector<std::string> words_of(std::vector<PreTokenizerStage> stages, std::string_view text) {
  const PreTokenizer pre_tokenizer(std::move(stages));
  RegexScratch scratch;
  std::vector<std::string> words;
  pre_tokenizer.split(text, scratch, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

// A tokenizer learnt from babble; the same in every test.
TokenizerSpec trained_spec() {
  const PreTokenizer pre_tokenizer(default_pre_tokenizer());
  WordCounter counter(pre_tokenizer, {}, 1);
  const std::vector<std::string> texts = {babble(20000, 1)};
  counter.add(texts);
  BpeTrainOptions options;
  options.vocab_size = 700;
  options.special_tokens = {"<|user|>", "<|user|>more"};
  return train_bpe(counter.counts(), options);
}

// The definition, word for word: merge the pair of lowest rank, the leftmost one first.
std::vector<TokenId> encode_by_definition(const TokenizerSpec& spec, std::string_view word) {
  std::vector<TokenId> symbols;
  for (const char c : word) symbols.push_back(static_cast<unsigned char>(c));
  while (true) {
    std::size_t best_rank = spec.merges.size();
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found =
          std::find(spec.merges.begin(), spec.merges.end(), BpeMerge{symbols[i], symbols[i + 1]});
      const auto rank = static_cast<std::size_t>(found - spec.merges.begin());
      if (rank < best_rank) {
        best_rank = rank;
        best = i;
      }
    }
    if (best_rank == spec.merges.size()) return symbols;
    const auto text = [&](std::size_t i) {
      return spec.tokens[static_cast<std::size_t>(symbols[i])];
    };
    const std::string both = text(best) + text(best + 1);
    symbols[best] = static_cast<TokenId>(std::find(spec.tokens.begin(), spec.tokens.end(), both) -
                                         spec.tokens.begin());
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(ByteAlphabet, EveryByteComesBackAndSpaceIsTheUsualCharacter) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(from_byte_alphabet(to_byte_alphabet(all)), all);
  EXPECT_EQ(to_byte_alphabet(" a\n"), "\u0120a\u010A");
  EXPECT_FALSE(from_byte_alphabet(" ").has_value());
  EXPECT_FALSE(from_byte_alphabet("\u0144").has_value());
  EXPECT_FALSE(from_byte_alphabet("日").has_value());
  EXPECT_FALSE(from_byte_alphabet("\xC4").has_value());
}

TEST(PreTokenizer, TheDefaultSplitsAsDescribed) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of(default_pre_tokenizer(), "I've 3 cats,  don't\n\n you?!"),
            (Words{"I", "'ve", " 3", " cats", ",", " ", " don", "'t", "\n\n", " you", "?!"}));
  EXPECT_EQ(words_of(default_pre_tokenizer(), "a\u3000 日本  "),
            (Words{"a", "\u3000", " 日本", "  "}));
  EXPECT_EQ(words_of(default_pre_tokenizer(), ""), Words{});
}

TEST(PreTokenizer, StagesCutTheWordsOfTheStageBefore) {
  using Kind = PreTokenizerStage::Kind;
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of({{Kind::single_digits, ""}, {Kind::byte_level, ""}}, "in 1984 or"),
            (Words{"in", " ", "1", "9", "8", "4", " or"}));
  EXPECT_EQ(words_of({{Kind::digits, ""}, {Kind::bytes_only, ""}}, "in 1984"),
            (Words{"in ", "1984"}));
  EXPECT_EQ(words_of({{Kind::split_literal, ".x"}}, "a.xb.yc.x"), (Words{"a", ".x", "b.yc", ".x"}));
  EXPECT_EQ(words_of({{Kind::split_drop, "[a-z]+"}}, "ab, cd"), (Words{"ab", "cd"}));
  EXPECT_EQ(words_of({{Kind::split, "b*"}}, "aébbé"), (Words{"aé", "bb", "é"}));
  EXPECT_EQ(words_of({{Kind::bytes_only, ""}}, "a b"), (Words{"a b"}));
}

TEST(PreTokenizer, BadPatternsAreUserErrors) {
  using Kind = PreTokenizerStage::Kind;
  const std::string message = user_error([] { PreTokenizer({{Kind::split, "a(b"}}); });
  EXPECT_NE(message.find("at offset 3"), std::string::npos) << message;
  user_error([] { PreTokenizer({{Kind::split, "\\p{Nonsense}"}}); });
  user_error([] { PreTokenizer({{Kind::split, std::string(100000, '(')}}); });
  // Runs into a limit of the engine instead of hanging.
  const std::string text = std::string(5000, 'a') + "cb";
  user_error([&] { words_of({{Kind::split, "(?:a|aa)+b"}}, text); });
}

TEST(BpeModel, ShortAndLongWordsFollowTheDefinition) {
  const TokenizerSpec spec = trained_spec();
  std::vector<bool> is_added(spec.tokens.size());
  for (const AddedToken& token : spec.added) is_added[static_cast<std::size_t>(token.id)] = true;
  const BpeModel model(spec.tokens, is_added, spec.merges, false);
  BpeScratch scratch;
  Lcg random(5);
  const std::string source = babble(400, 9);
  for (int i = 0; i < 300; ++i) {
    const std::size_t size = 1 + random.below(i % 3 == 0 ? 200 : 60);
    const std::string word = source.substr(random.below(1000), size);
    std::vector<TokenId> ids;
    model.encode_word(word, scratch, ids);
    EXPECT_EQ(ids, encode_by_definition(spec, word)) << word;
  }
  for (const std::string& word :
       {std::string(47, 'o'), std::string(48, 'o'), std::string(49, 'o')}) {
    std::vector<TokenId> ids;
    model.encode_word(word, scratch, ids);
    EXPECT_EQ(ids, encode_by_definition(spec, word));
  }
}

TEST(BpeModel, IgnoreMergesTakesWordsWhole) {
  // "ab" and "bc" merge, "abc" is a token that no merge reaches.
  const std::vector<std::string> tokens = {"a", "b", "c", "bc", "abc"};
  const std::vector<bool> none(tokens.size());
  BpeScratch scratch;
  for (const bool ignore_merges : {false, true}) {
    const BpeModel model(tokens, none, {{1, 2}}, ignore_merges);
    std::vector<TokenId> ids;
    model.encode_word("abc", scratch, ids);
    EXPECT_EQ(ids, ignore_merges ? (std::vector<TokenId>{4}) : (std::vector<TokenId>{0, 3}));
  }
}

TEST(BpeModel, InconsistentPartsAreUserErrors) {
  const std::vector<std::string> tokens = {"a", "b", "ab"};
  const std::vector<bool> none(3);
  const auto message = [&](std::vector<BpeMerge> merges) {
    return user_error([&] { BpeModel(tokens, none, merges, false); });
  };
  EXPECT_NE(message({{0, 3}}).find("unknown token"), std::string::npos);
  EXPECT_NE(message({{-1, 0}}).find("unknown token"), std::string::npos);
  EXPECT_NE(message({{1, 0}}).find("not in the vocabulary"), std::string::npos);
  EXPECT_NE(message({{0, 1}, {0, 1}}).find("listed twice"), std::string::npos);
  EXPECT_NE(user_error([&] {
              BpeModel({"a", "a"}, {false, false}, {}, false);
            }).find("same bytes"),
            std::string::npos);
  const BpeModel model(tokens, none, {{0, 1}}, false);
  BpeScratch scratch;
  std::vector<TokenId> ids;
  model.encode_word("zazbz", scratch, ids);  // bytes without a token are left out, before merging
  EXPECT_EQ(ids, std::vector<TokenId>{2});
}

TEST(AddedTokenFinder, LeftmostThenLongest) {
  const AddedTokenFinder finder({{1, "<a>", true}, {2, "<a>b", true}, {3, "x", true}});
  const auto hit = finder.find("..<a><a>bx", 0);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->begin, 2U);
  EXPECT_EQ(hit->id, 1);
  EXPECT_EQ(finder.find("..<a><a>bx", 5)->id, 2);
  EXPECT_EQ(finder.find("..<a><a>bx", 9)->id, 3);
  EXPECT_FALSE(finder.find("<<a", 0).has_value());
  EXPECT_FALSE(AddedTokenFinder({}).find("anything", 0).has_value());
}

TEST(BpeTokenizer, DecodeUndoesEncode) {
  const BpeTokenizer tokenizer(trained_spec());
  for (const std::string& text : nasty_texts()) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << text.substr(0, 80);
  }
  const std::string text = babble(3000, 77);
  const std::vector<TokenId> ids = tokenizer.encode(text);
  EXPECT_EQ(tokenizer.decode(ids), text);
  EXPECT_LT(ids.size() * 2, text.size()) << "training must have learnt something";
}

TEST(BpeTokenizer, SpecialTokensAreParsedAndLeftOutOfText) {
  const BpeTokenizer tokenizer(trained_spec());
  EXPECT_EQ(tokenizer.eos(), 256);
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
  const std::string text = "ab<|endoftext|><|user|>more<|user|>mo";
  const std::vector<TokenId> ids = tokenizer.encode(text);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 256), 1);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 257), 1);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 258), 1);
  EXPECT_TRUE(tokenizer.is_special(258));
  EXPECT_FALSE(tokenizer.is_special(255));
  EXPECT_EQ(tokenizer.decode(ids, true), text);
  EXPECT_EQ(tokenizer.decode(ids), "abmo");
}

TEST(BpeTokenizer, InvalidTextIsRefusedAndUnknownIdsAreBugs) {
  const BpeTokenizer tokenizer(trained_spec());
  EXPECT_NE(user_error([&] { tokenizer.encode("ok\xFF"); }).find("at byte 2"), std::string::npos);
  EXPECT_THROW(tokenizer.token_bytes(700), core::InternalError);
  EXPECT_THROW(tokenizer.token_bytes(-1), core::InternalError);
}

TEST(BpeTokenizer, NfcComposesBeforeSplitting) {
  TokenizerSpec spec = trained_spec();
  spec.nfc = true;
  const BpeTokenizer tokenizer(spec);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("cafe\u0301 \u212B")), "caf\u00E9 \u00C5");
  EXPECT_EQ(tokenizer.encode("e\u0301"), tokenizer.encode("\u00E9"));
}

TEST(BpeTokenizer, ManyThreadsGetTheSameIds) {
  const BpeTokenizer tokenizer(trained_spec());
  std::vector<std::string> texts;
  std::vector<std::vector<TokenId>> expected;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    texts.push_back(babble(2000, seed));
    expected.push_back(BpeTokenizer(trained_spec()).encode(texts.back()));
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < texts.size(); ++i)
        wrong += tokenizer.encode(texts[i]) != expected[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(BpeTokenizer, TheWordCacheSurvivesMoreWordsThanItHolds) {
  const BpeTokenizer tokenizer(trained_spec());
  std::string text;
  for (int i = 0; i < 80000; ++i) text += std::to_string(i) + "mi ";
  const std::vector<TokenId> once = tokenizer.encode(text);
  EXPECT_EQ(tokenizer.encode(text), once);
  EXPECT_EQ(tokenizer.decode(once), text);
}

TEST(BpeTrainer, FollowsTheDefinition) {
  // Counts every pair anew before each merge: slow and plainly right.
  const std::vector<WordCount> words = {{"aaaa", 3}, {"abab", 5}, {"abc", 4},   {"bcbc", 4},
                                        {"cab", 6},  {"d", 9},    {"xyzzy", 2}, {"zz", 2}};
  BpeTrainOptions options;
  options.vocab_size = 257 + 12;
  const TokenizerSpec spec = train_bpe(words, options);

  std::vector<std::string> tokens = byte_spec().tokens;
  std::vector<BpeMerge> merges;
  std::vector<std::vector<TokenId>> split;
  for (const WordCount& word : words) {
    split.emplace_back();
    for (const char c : word.word) split.back().push_back(static_cast<unsigned char>(c));
  }
  while (tokens.size() < 257 + 12) {
    std::map<std::pair<TokenId, TokenId>, std::int64_t> counts;
    for (std::size_t w = 0; w < words.size(); ++w) {
      for (std::size_t i = 0; i + 1 < split[w].size(); ++i) {
        counts[{split[w][i], split[w][i + 1]}] += words[w].count;
      }
    }
    std::pair<TokenId, TokenId> best;
    std::int64_t most = 1;
    for (const auto& [pair, count] : counts) {
      if (count > most) std::tie(best, most) = std::tie(pair, count);
    }
    if (most < 2) break;
    const std::string both = tokens[static_cast<std::size_t>(best.first)] +
                             tokens[static_cast<std::size_t>(best.second)];
    const auto known = std::find(tokens.begin(), tokens.end(), both);
    const auto id = static_cast<TokenId>(known - tokens.begin());
    if (known == tokens.end()) tokens.push_back(both);
    merges.push_back({best.first, best.second});
    for (std::vector<TokenId>& word : split) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != best.first || word[i + 1] != best.second) continue;
        word[i] = id;
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
  }
  EXPECT_EQ(spec.tokens, tokens);
  EXPECT_EQ(spec.merges, merges);
}

TEST(BpeTrainer, EveryTokenIsDistinctAndReachable) {
  const TokenizerSpec spec = trained_spec();
  EXPECT_EQ(spec.tokens.size(), 700U);
  EXPECT_EQ(std::set<std::string>(spec.tokens.begin(), spec.tokens.end()).size(), 700U);
  std::vector<bool> is_added(spec.tokens.size());
  for (const AddedToken& token : spec.added) is_added[static_cast<std::size_t>(token.id)] = true;
  const BpeModel model(spec.tokens, is_added, spec.merges, false);
  BpeScratch scratch;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (is_added[id]) continue;
    std::vector<TokenId> ids;
    model.encode_word(spec.tokens[id], scratch, ids);
    EXPECT_EQ(ids, std::vector<TokenId>{static_cast<TokenId>(id)});
  }
}

TEST(BpeTrainer, BadOptionsAreUserErrors) {
  const auto message = [](BpeTrainOptions options) {
    return user_error([&] { start_spec(options); });
  };
  EXPECT_NE(message({.vocab_size = 256}).find("choose 257"), std::string::npos);
  EXPECT_NE(message({.vocab_size = -1}).find("choose 257"), std::string::npos);
  EXPECT_NE(message({.vocab_size = std::int64_t{1} << 40}).find("choose 257"), std::string::npos);
  EXPECT_NE(message({.special_tokens = {"<a>", "<a>"}}).find("twice"), std::string::npos);
  for (const char* name : {"", "a", "\u0120", "\u0120the", "\xFF"})
    message({.special_tokens = {name}});
  EXPECT_EQ(start_spec({.special_tokens = {"<|endoftext|>", "<\uFF5Cend\uFF5C>"}}).tokens.size(),
            258U);
}

TEST(WordCounter, ForgetsTheRarestWhenFullWhateverTheThreads) {
  const PreTokenizer pre_tokenizer(default_pre_tokenizer());
  std::vector<std::string> texts;
  for (std::uint64_t seed = 0; seed < 6; ++seed) texts.push_back(babble(1500, seed));
  std::vector<std::vector<WordCount>> results;
  for (const int threads : {1, 2, 5}) {
    WordCounter counter(pre_tokenizer, {}, threads, 200);
    counter.add(std::span(texts).first(3));
    counter.add(std::span(texts).last(3));
    results.push_back(counter.counts());
  }
  EXPECT_LE(results[0].size(), 200U);
  EXPECT_GT(results[0].size(), 0U);
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

TEST(WordCounter, CountsWordsAndSkipsSpecialText) {
  const PreTokenizer pre_tokenizer(default_pre_tokenizer());
  WordCounter counter(pre_tokenizer, {{256, "<|endoftext|>", true}}, 2);
  const std::vector<std::string> texts = {"a b a<|endoftext|>", "a", std::string(300, 'z')};
  counter.add(texts);
  EXPECT_EQ(
      counter.counts(),
      (std::vector<WordCount>{
          {" a", 1}, {" b", 1}, {"a", 2}, {std::string(44, 'z'), 1}, {std::string(256, 'z'), 1}}));
}

}  // namespace
}  // namespace unfold::data
