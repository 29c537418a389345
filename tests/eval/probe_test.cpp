#include "eval/probes/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "data/sha256.h"
#include "eval/probes/generator.h"
#include "eval/probes/haystack.h"
#include "eval/probes/invented_facts.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::user_error;

std::int64_t count_bytes(std::string_view text) {
  return static_cast<std::int64_t>(text.size());
}

// About what a tokenizer of a large vocabulary does: words take a token for every five letters,
// digits, marks and line ends one each; a space belongs to the word behind it.
std::int64_t count_pieces(std::string_view text) {
  std::int64_t tokens = 0;
  std::int64_t letters = 0;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter) letters = 0;
    if (letter ? letters++ % 5 == 0 : c != ' ') ++tokens;
  }
  return tokens;
}

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

std::string name_of_test(const testing::TestParamInfo<ProbeKind>& info) {
  return std::string(name_of(info.param));
}

class Probe : public testing::TestWithParam<ProbeKind> {
 protected:
  ProbeOptions options_;
};

TEST_P(Probe, IsAFunctionOfItsArguments) {
  options_.context_tokens = 1200;
  const ProbeSample sample = make_probe(GetParam(), options_, 3, count_pieces);
  const ProbeSample again = make_probe(GetParam(), options_, 3, count_pieces);
  EXPECT_EQ(sample.context(), again.context());
  EXPECT_EQ(sample.question, again.question);
  EXPECT_EQ(sample.answers, again.answers);
  EXPECT_EQ(sample.tags, again.tags);
  // Everything else makes another one.
  const auto expect_other = [&](const ProbeOptions& options, std::int64_t index) {
    const ProbeSample other = make_probe(GetParam(), options, index, count_pieces);
    EXPECT_NE(sample.answers, other.answers);
    EXPECT_NE(sample.context(), other.context());
  };
  expect_other(options_, 4);
  ProbeOptions other = options_;
  other.seed = 1;
  expect_other(other, 3);
  other = options_;
  other.context_tokens = 1201;
  expect_other(other, 3);
}

TEST_P(Probe, HasTheLengthAskedFor) {
  for (const std::int64_t length : {900, 2047, 2048, 4096, 20000}) {
    options_.context_tokens = length;
    for (const std::int64_t index : {0, 7, 19}) {
      const ProbeSample sample = make_probe(GetParam(), options_, index, count_pieces);
      // Documents are tokenized one by one, everything else as a whole.
      std::int64_t tokens = count_pieces(sample.context());
      if (sample.segments.size() > 1) {
        tokens = count_pieces(sample.instruction);
        for (const std::string& segment : sample.segments) tokens += count_pieces(segment);
      }
      EXPECT_LE(tokens, length);
      // Several of the frequent words come with one step of their number.
      const std::int64_t few = GetParam() == ProbeKind::frequent_words ? 20 : 8;
      EXPECT_GE(tokens, length - few) << "index " << index;
      EXPECT_EQ(sample.tags.at("context"), static_cast<double>(length));
    }
  }
  // Tokenizers differ; bytes are the finest.
  options_.context_tokens = 6000;
  const ProbeSample sample = make_probe(GetParam(), options_, 1, count_bytes);
  EXPECT_LE(count_bytes(sample.context()), 6000);
  EXPECT_GE(count_bytes(sample.context()), 6000 - 40);
}

TEST_P(Probe, IsReadable) {
  options_.context_tokens = 3000;
  const ProbeSample sample = make_probe(GetParam(), options_, 5, count_pieces);
  EXPECT_FALSE(sample.answers.empty());
  EXPECT_EQ(sample.question.back(), '?');
  const std::string text = sample.context() + sample.question + sample.cue;
  EXPECT_EQ(occurrences(text, "  "), 0u);
  EXPECT_EQ(occurrences(text, " \n"), 0u);
  EXPECT_EQ(occurrences(text, "{"), 0u);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' ||
           (static_cast<unsigned char>(c) >= ' ' && static_cast<unsigned char>(c) < 127);
  }));
  // Nothing but the context gives the answer away.
  for (const std::string& answer : sample.answers) {
    EXPECT_EQ(occurrences(sample.instruction + sample.question + sample.cue, answer), 0u);
  }
}

TEST_P(Probe, AContextTooShortIsAnError) {
  options_.context_tokens = 20;
  const std::string error = user_error([&] { make_probe(GetParam(), options_, 0, count_pieces); });
  EXPECT_EQ(error.rfind("[probe] a context of 20 tokens does not hold ", 0), 0u) << error;
  options_.context_tokens = 0;
  user_error([&] { make_probe(GetParam(), options_, 0, count_pieces); });
}

INSTANTIATE_TEST_SUITE_P(Kinds, Probe, testing::ValuesIn(probe_kinds()), name_of_test);

TEST(Probes, WhatIsAskedForByDepthStandsThere) {
  for (const ProbeKind kind : {ProbeKind::passkey, ProbeKind::needle, ProbeKind::multikey,
                               ProbeKind::qa_distractors, ProbeKind::qa_two_hops}) {
    ProbeOptions options;
    options.context_tokens = 6000;
    for (std::int64_t index = 0; index < 20; ++index) {
      const ProbeSample sample = make_probe(kind, options, index, count_pieces);
      ASSERT_EQ(sample.answers.size(), 1u);
      const std::string context = sample.context();
      EXPECT_EQ(occurrences(context, sample.answers.front()), 1u);
      const double depth = static_cast<double>(index) / 19.0;
      EXPECT_DOUBLE_EQ(sample.tags.at("depth"), depth);
      const double at = static_cast<double>(context.find(sample.answers.front())) /
                        static_cast<double>(context.size());
      EXPECT_NEAR(at, depth, 0.02) << name_of(kind) << " " << index;
    }
    // The depths come round again with other facts; a single one is the middle.
    EXPECT_EQ(make_probe(kind, options, 21, count_pieces).tags.at("depth"), 1.0 / 19.0);
    options.depths = 1;
    EXPECT_EQ(make_probe(kind, options, 3, count_pieces).tags.at("depth"), 0.5);
  }
}

TEST(Probes, NeedlesAreAllThere) {
  ProbeOptions options;
  options.context_tokens = 1500;
  options.keys = 30;
  options.values = 6;
  options.queries = 3;
  const ProbeSample keys = make_probe(ProbeKind::multikey, options, 2, count_pieces);
  EXPECT_EQ(keys.answers.size(), 1u);
  EXPECT_EQ(occurrences(keys.context(), "The secret number of the "), 30u);
  EXPECT_EQ(occurrences(keys.context(), keys.cue + " " + keys.answers[0] + "."), 1u);
  const ProbeSample values = make_probe(ProbeKind::multivalue, options, 2, count_pieces);
  EXPECT_EQ(values.answers.size(), 6u);
  const ProbeSample queries = make_probe(ProbeKind::multiquery, options, 2, count_pieces);
  EXPECT_EQ(queries.answers.size(), 3u);
  for (const ProbeSample& sample : {values, queries}) {
    EXPECT_EQ(sample.tags.count("depth"), 0u);
    const std::set<std::string> different(sample.answers.begin(), sample.answers.end());
    EXPECT_EQ(different.size(), sample.answers.size());
    for (const std::string& answer : sample.answers) {
      EXPECT_EQ(answer.size(), 7u);
      EXPECT_EQ(occurrences(sample.context(), answer), 1u);
    }
  }
  EXPECT_EQ(make_probe(ProbeKind::passkey, options, 2, count_pieces).answers[0].size(), 5u);
}

TEST(Probes, VariablesAreAssignedBeforeTheyAreUsed) {
  ProbeOptions options;
  options.context_tokens = 3000;
  options.chains = 3;
  options.hops = 5;
  const ProbeSample sample = make_probe(ProbeKind::variable_tracking, options, 4, count_pieces);
  ASSERT_EQ(sample.answers.size(), 6u);
  const std::string& text = sample.segments.front();
  EXPECT_EQ(occurrences(text, "VAR "), 3u * (6 + 5));
  std::size_t before = 0;
  for (std::size_t i = 0; i < sample.answers.size(); ++i) {
    const std::string assignment = "VAR " + sample.answers[i] + " = ";
    ASSERT_EQ(occurrences(text, assignment), 1u);
    const std::size_t at = text.find(assignment);
    EXPECT_GE(at, before);
    before = at;
    const std::string value = text.substr(at + assignment.size(), 10);
    if (i == 0) {
      EXPECT_EQ(occurrences(sample.question, value.substr(0, 5)), 1u) << value;
    } else {
      EXPECT_EQ(value, "VAR " + sample.answers[i - 1] + ".");
    }
  }
  EXPECT_EQ(sample.cue.rfind("6 of the variables", 0), 0u) << sample.cue;
  // An example with variables of its own stands in front, where there is room.
  EXPECT_EQ(occurrences(sample.instruction, "VAR "), 4u + 3u);
  options.context_tokens = 2000;
  EXPECT_EQ(
      occurrences(make_probe(ProbeKind::variable_tracking, options, 4, count_pieces).instruction,
                  "VAR "),
      0u);
}

std::map<std::string, int> word_counts(const std::string& text) {
  std::map<std::string, int> counts;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    if (word != "..." && word.back() == '.') continue;  // the number of an item
    ++counts[word];
  }
  return counts;
}

TEST(Probes, CommonWordsAreTenTimesAsCommon) {
  for (const auto& [length, least] :
       std::map<std::int64_t, int>{{1000, 6}, {4096, 30}, {30000, 60}}) {
    ProbeOptions options;
    options.context_tokens = length;
    const ProbeSample sample = make_probe(ProbeKind::common_words, options, 1, count_pieces);
    ASSERT_EQ(sample.answers.size(), 10u);
    std::map<std::string, int> counts = word_counts(sample.segments.front());
    const int common = counts.at(sample.answers.front());
    EXPECT_GE(common, least);
    for (const std::string& answer : sample.answers) {
      EXPECT_EQ(counts.at(answer), common);
      counts.erase(answer);
    }
    EXPECT_GE(counts.size(), 10u);
    for (const auto& [word, count] : counts) EXPECT_LE(count, common / 6) << word;
  }
}

TEST(Probes, FrequentWordsFallWithTheSquareOfTheirRank) {
  ProbeOptions options;
  options.context_tokens = 4000;
  const ProbeSample sample = make_probe(ProbeKind::frequent_words, options, 1, count_pieces);
  ASSERT_EQ(sample.answers.size(), 3u);
  std::map<std::string, int> counts = word_counts(sample.segments.front());
  const int first = counts.at("...");
  for (int rank = 2; rank <= 4; ++rank) {
    EXPECT_NEAR(counts.at(sample.answers[static_cast<std::size_t>(rank - 2)]),
                first / (rank * rank), 1);
  }
  const int least = counts.at(sample.answers.back());
  counts.erase("...");
  for (const std::string& answer : sample.answers) counts.erase(answer);
  for (const auto& [word, count] : counts) EXPECT_LT(count, least) << word;
  // However short, the third one stands out.
  for (options.context_tokens = 300; options.context_tokens < 700; options.context_tokens += 7) {
    const ProbeSample small = make_probe(ProbeKind::frequent_words, options, 1, count_pieces);
    std::map<std::string, int> all = word_counts(small.segments.front());
    const int third = all.at(small.answers.back());
    EXPECT_EQ(std::count_if(all.begin(), all.end(),
                            [&](const auto& entry) { return entry.second >= third; }),
              4);
  }
}

TEST(Probes, DocumentsHaveOneThatAnswers) {
  ProbeOptions options;
  options.context_tokens = 2500;
  for (std::int64_t index = 0; index < 40; ++index) {
    const ProbeSample sample = make_probe(ProbeKind::qa_distractors, options, index, count_pieces);
    const auto gold = static_cast<std::size_t>(sample.tags.at("gold"));
    ASSERT_EQ(sample.tags.at("documents"), static_cast<double>(sample.segments.size()));
    ASSERT_LT(gold, sample.segments.size());
    EXPECT_EQ(occurrences(sample.segments[gold], sample.answers.front()), 1u);
    EXPECT_EQ(occurrences(sample.context(), sample.answers.front()), 1u);
    for (std::size_t i = 0; i < sample.segments.size(); ++i) {
      const std::string begin = "Document [" + std::to_string(i + 1) + "](Title: ";
      EXPECT_EQ(sample.segments[i].rfind(begin, 0), 0u);
      EXPECT_EQ(sample.segments[i].back(), '\n');
    }
  }
}

TEST(InventedFacts, TwoHopsLeadFromDocumentToDocument) {
  for (std::uint64_t index = 0; index < 50; ++index) {
    const auto place = static_cast<std::int64_t>(index % 9);
    const InventedQuestion question = invent_question(3, index, 9, place, 2);
    ASSERT_EQ(question.documents.size(), 9u);
    ASSERT_EQ(question.gold.size(), 2u);
    EXPECT_EQ(question.gold[1], place);
    EXPECT_NE(question.gold[0], place);
    const InventedDocument& bridge =
        question.documents.at(static_cast<std::size_t>(question.gold[0]));
    const InventedDocument& gold = question.documents.at(static_cast<std::size_t>(place));
    EXPECT_EQ(occurrences(question.question, bridge.title), 1u);
    EXPECT_EQ(occurrences(question.question, gold.title), 0u);
    EXPECT_EQ(bridge.founder, gold.title);
    EXPECT_EQ(occurrences(bridge.text, gold.title), 1u);
    std::set<std::string> titles;
    for (std::size_t i = 0; i < 9; ++i) {
      const InventedDocument& document = question.documents[i];
      EXPECT_TRUE(titles.insert(document.title).second);
      EXPECT_EQ(occurrences(document.text, question.answer),
                static_cast<std::int64_t>(i) == place ? 1u : 0u);
      EXPECT_EQ(document.facts.size(), 3u);
    }
  }
}

TEST(InventedFacts, DistractorsDoNotDependOnTheirNumber) {
  const InventedQuestion few = invent_question(1, 5, 4, 0);
  const InventedQuestion many = invent_question(1, 5, 8, 0);
  EXPECT_EQ(few.question, many.question);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(few.documents[i].text, many.documents[i].text);
}

TEST(Haystack, FindsHowManyFitInFewCalls) {
  for (const std::int64_t limit : {10, 11, 100, 5000, 123456}) {
    int calls = 0;
    const std::int64_t found = probes::largest_fitting(limit, 1 << 30, [&](std::int64_t n) {
      ++calls;
      return 10 + 13 * n + n % 5;
    });
    EXPECT_LE(10 + 13 * found + found % 5, limit);
    EXPECT_GT(10 + 13 * (found + 1) + (found + 1) % 5, limit);
    EXPECT_LE(calls, 12) << limit;
  }
  EXPECT_EQ(probes::largest_fitting(9, 100, [](std::int64_t n) { return 10 + n; }), -1);
  EXPECT_EQ(probes::largest_fitting(1000, 7, [](std::int64_t n) { return 10 + n; }), 7);
}

TEST(Haystack, NounsAreNoPartsOfEachOther) {
  for (const std::string_view noun : probes::nouns()) {
    EXPECT_FALSE(noun.empty());
    for (const std::string_view other : probes::nouns()) {
      if (noun.data() != other.data()) {
        EXPECT_EQ(occurrences(other, noun), 0u) << noun << " " << other;
      }
    }
  }
}

// Results of different days compare only while a seed means the same samples. A change that is
// meant changes the number in ProbeTask::settings() too.
TEST(Probes, AreTheSameEverywhere) {
  data::Sha256 sha;
  ProbeOptions options;
  options.context_tokens = 2500;
  for (const ProbeKind kind : probe_kinds()) {
    const ProbeSample sample = make_probe(kind, options, 6, count_bytes);
    sha.update(sample.context() + sample.question + sample.cue);
    for (const std::string& answer : sample.answers) sha.update(answer);
  }
  EXPECT_EQ(sha.hex_digest(), "02b852f4c320d6e2650cb342a4d7639d13360eb51aaf946181f9ae629b6535ab");
}

TEST(Probes, OptionsThatMakeNoSense) {
  ProbeOptions options;
  options.keys = 2000;
  EXPECT_EQ(user_error([&] { make_probe(ProbeKind::multikey, options, 0, count_pieces); }),
            "[probe] 2000 different things: ask for at most 1024");
  options = {};
  options.depths = 0;
  EXPECT_EQ(user_error([&] { make_probe(ProbeKind::needle, options, 0, count_pieces); }),
            "[probe] 0 depths: ask for 1 or more");
}

}  // namespace
}  // namespace unfold::eval
