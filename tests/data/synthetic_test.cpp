#include "data/synthetic.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "core/error.h"
#include "data/counter_random.h"
#include "data/records/record_reader.h"
#include "data/synthetic/generator.h"
#include "data/tokenizer/train_tokenizer.h"
#include "tests/data/fake_tokenizer.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;
using testing::read_bytes;
using testing::TemporaryFolder;

constexpr SyntheticTask kTasks[] = {SyntheticTask::recall, SyntheticTask::passkey,
                                    SyntheticTask::multikey};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Reference values pin the streams: a change would silently make other documents from a seed.
TEST(CounterRandom, IsTheSameEverywhere) {
  CounterRandom random{1, 2};
  const std::uint64_t first = random.next();
  EXPECT_EQ(CounterRandom({1, 2}).next(), first);
  EXPECT_NE(CounterRandom({2, 1}).next(), first);
  EXPECT_NE(CounterRandom({1}).next(), first);
  EXPECT_NE(random.next(), first);
  // The first output of SplitMix64 seeded with 0, as published.
  EXPECT_EQ(mix64(0x9e3779b97f4a7c15u), 0xe220a8397b1dcdafu);
}

TEST(CounterRandom, BelowIsUniform) {
  CounterRandom random{3};
  std::map<std::uint64_t, int> counts;
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  ASSERT_EQ(counts.size(), 7u);
  EXPECT_EQ(counts.rbegin()->first, 6u);
  for (const auto& [value, count] : counts) EXPECT_NEAR(count, 10000, 500) << value;
  EXPECT_EQ(random.below(1), 0u);
}

TEST(CounterRandom, ShuffleReachesEveryPermutationEquallyOften) {
  std::map<std::vector<int>, int> counts;
  for (std::uint64_t i = 0; i < 24000; ++i) {
    std::vector<int> values = {0, 1, 2, 3};
    CounterRandom{5, i}.shuffle(std::span(values));
    ++counts[values];
  }
  ASSERT_EQ(counts.size(), 24u);
  for (const auto& [values, count] : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(Synthetic, NamesRoundTrip) {
  for (const SyntheticTask task : kTasks) EXPECT_EQ(synthetic_task_from_name(name_of(task)), task);
  EXPECT_THROW(synthetic_task_from_name("pass-key"), core::UserError);
}

TEST(Synthetic, PureFunctionOfSeedSplitAndIndex) {
  for (const SyntheticTask task : kTasks) {
    SyntheticOptions options{.task = task, .seed = 5, .context = 1500};
    std::set<std::string> seen;
    for (const std::uint64_t seed : {5, 6}) {
      for (const SyntheticSplit split : {SyntheticSplit::train, SyntheticSplit::eval}) {
        for (std::int64_t index = 0; index < 50; ++index) {
          options.seed = seed;
          options.split = split;
          const SyntheticDocument document = make_document(options, index);
          EXPECT_EQ(make_document(options, index), document);
          seen.insert(document.context);
        }
      }
    }
    EXPECT_EQ(seen.size(), 200u) << name_of(task);
  }
}

TEST(Synthetic, ContextFillsItsSizeAndNeverMore) {
  for (const SyntheticTask task : kTasks) {
    for (const std::int64_t size : {120, 500, 2000, 9000}) {
      const SyntheticOptions options{.task = task, .context = size};
      for (std::int64_t index = 0; index < 10; ++index) {
        const SyntheticDocument document = make_document(options, index);
        const auto bytes = static_cast<std::int64_t>(document.context.size());
        EXPECT_LE(bytes, size) << name_of(task);
        EXPECT_GE(bytes, size - 100) << name_of(task);
        EXPECT_EQ(document.context.back(), '\n');
      }
    }
  }
}

TEST(Synthetic, SizeIsCountedByTheMeasureGiven) {
  const auto words = [](std::string_view text) {
    return std::max<std::int64_t>(1, std::count(text.begin(), text.end(), ' '));
  };
  for (const SyntheticTask task : kTasks) {
    const SyntheticOptions options{.task = task, .context = 200, .measure = words};
    const std::string context = make_document(options, 0).context;
    EXPECT_LE(words(context), 200) << name_of(task);
    EXPECT_GE(words(context), 180) << name_of(task);
  }
}

TEST(Recall, EveryFactIsAskedOnceByItsKey) {
  const SyntheticOptions options{.task = SyntheticTask::recall, .context = 1000, .value_words = 3};
  for (std::int64_t index = 0; index < 20; ++index) {
    const SyntheticDocument document = make_document(options, index);
    std::set<std::string> asked;
    EXPECT_GE(document.questions.size(), 30u);
    for (const auto& [question, answer] : document.questions) {
      ASSERT_TRUE(question.starts_with("Recall ")) << question;
      const std::string key = question.substr(7);
      EXPECT_TRUE(asked.insert(key).second);
      EXPECT_EQ(std::count(answer.begin(), answer.end(), ' '), 2);
      // The key stands in the context with its value behind it, and nowhere else.
      EXPECT_EQ(count_of(document.context, " " + key + " "),
                count_of(document.context, " " + key + " " + answer));
      EXPECT_GE(count_of(document.context, " " + key + " "), 1u);
    }
    // Nothing but these facts: as many commas and stops as facts, repeated ones included.
    std::size_t facts = 0;
    for (const std::string& key : asked) facts += count_of(document.context, " " + key + " ");
    EXPECT_EQ(facts, count_of(document.context, ",") + count_of(document.context, "."));
  }
}

TEST(Recall, FewerDistinctFactsAreRepeatedToFillTheContext) {
  const SyntheticOptions options{
      .task = SyntheticTask::recall, .context = 1000, .facts = 16, .min_facts = 4};
  std::set<std::size_t> numbers;
  for (std::int64_t index = 0; index < 200; ++index) {
    const SyntheticDocument document = make_document(options, index);
    numbers.insert(document.questions.size());
    EXPECT_GE(document.context.size(), 900u);
  }
  EXPECT_EQ(numbers.size(), 13u);
  EXPECT_EQ(*numbers.begin(), 4u);
  EXPECT_EQ(*numbers.rbegin(), 16u);
}

// The shape of the experiment in METHOD.md section 13: an opening, 16 facts of a key and 3 words,
// 16 questions of 2 words with answers of 3.
SyntheticOptions compact_options() {
  SyntheticOptions options{.task = SyntheticTask::recall, .seed = 4, .context = 65};
  options.measure = count_words;
  options.facts = 16;
  options.value_words = 3;
  options.style = SyntheticStyle::compact;
  options.keys = 64;
  options.values = 32;
  options.questions = 16;
  return options;
}

std::vector<std::string> split(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

TEST(Recall, CompactFactsAreWordsOfOneShape) {
  std::set<std::string> keys, values;
  for (std::int64_t index = 0; index < 200; ++index) {
    const SyntheticDocument document = make_document(compact_options(), index);
    const std::vector<std::string> words = split(document.context);
    ASSERT_EQ(words.size(), 65u);
    EXPECT_EQ(words[0], "Facts");
    // One space before each word but the first, and nothing else.
    EXPECT_EQ(std::count(document.context.begin(), document.context.end(), ' '), 64);
    std::map<std::string, std::string> facts;
    for (std::size_t f = 1; f < words.size(); f += 4) {
      keys.insert(words[f]);
      for (std::size_t v = 1; v < 4; ++v) values.insert(words[f + v]);
      facts[words[f]] = words[f + 1] + " " + words[f + 2] + " " + words[f + 3];
    }
    EXPECT_EQ(facts.size(), 16u);
    ASSERT_EQ(document.questions.size(), 16u);
    std::set<std::string> asked;
    for (const auto& [question, answer] : document.questions) {
      ASSERT_TRUE(question.starts_with(" ? "));
      EXPECT_TRUE(asked.insert(question).second);
      EXPECT_EQ(facts.at(question.substr(3)), answer);
    }
  }
  EXPECT_EQ(keys.size(), 64u);
  EXPECT_EQ(values.size(), 32u);
}

TEST(Recall, QuestionsAreRepeatedWhenThereAreFewerFacts) {
  SyntheticOptions options = compact_options();
  options.facts = 5;
  const SyntheticDocument document = make_document(options, 3);
  EXPECT_EQ(split(document.context).size(), 65u);
  std::map<std::string, int> asked;
  for (const Question& question : document.questions) ++asked[question.question];
  ASSERT_EQ(asked.size(), 5u);
  for (const auto& [question, count] : asked) EXPECT_GE(count, 3) << question;
  options.questions = 2;
  EXPECT_EQ(make_document(options, 3).questions.size(), 2u);
  EXPECT_EQ(make_document(options, 3).context, document.context);
}

TEST(Recall, OptionsOutOfRangeAreUserErrors) {
  const auto refuse = [](auto change) {
    SyntheticOptions options = compact_options();
    change(options);
    EXPECT_THROW(make_document(options, 0), core::UserError);
  };
  refuse([](SyntheticOptions& o) { o.keys = 129; });
  refuse([](SyntheticOptions& o) { o.keys = -1; });
  refuse([](SyntheticOptions& o) { o.values = 65; });
  refuse([](SyntheticOptions& o) { o.questions = -1; });
  refuse([](SyntheticOptions& o) { o.context = 4; });
}

TEST(Curriculum, GrowsLinearlyFromTwoToAll) {
  EXPECT_EQ(curriculum_facts(16, 0.6, 0, 1000), 2);
  EXPECT_EQ(curriculum_facts(16, 0.6, 300, 1000), 9);
  EXPECT_EQ(curriculum_facts(16, 0.6, 600, 1000), 16);
  EXPECT_EQ(curriculum_facts(16, 0.6, 999, 1000), 16);
  EXPECT_EQ(curriculum_facts(16, 1.0, 999, 1000), 15);
  EXPECT_EQ(curriculum_facts(1, 0.6, 0, 1000), 1);
  std::set<std::int64_t> steps;
  for (std::int64_t i = 0; i < 1000; ++i) steps.insert(curriculum_facts(16, 0.6, i, 1000));
  EXPECT_EQ(steps.size(), 15u);
}

TEST(Recall, AnswersCannotBeGuessed) {
  const SyntheticOptions options{.task = SyntheticTask::recall, .context = 300};
  std::map<std::string, int> answers;
  for (const RecallSample& sample : make_samples(options, 500)) ++answers[sample.answer];
  // 4096 values of two words: no guess is right more than a few times in 500.
  for (const auto& [answer, count] : answers) EXPECT_LE(count, 5) << answer;
}

TEST(Recall, NamesNeverBeginWithEachOther) {
  const auto& names = synthetic::names();
  for (const auto a : names) {
    for (const auto b : names) EXPECT_EQ(a.starts_with(b), a == b) << a << " " << b;
  }
}

TEST(Passkey, StandsOnceInTheContextAtEveryDepth) {
  const SyntheticOptions options{
      .task = SyntheticTask::passkey, .split = SyntheticSplit::eval, .context = 8000};
  double previous = -1;
  const auto samples = make_samples(options, 20);
  for (const RecallSample& sample : samples) {
    EXPECT_EQ(sample.answer.size(), 5u);
    EXPECT_EQ(count_of(sample.context, "The pass key is " + sample.answer + "."), 1u);
    EXPECT_TRUE(sample.question.ends_with("The pass key is"));
    // Nothing else in the filler looks like a key.
    EXPECT_EQ(std::count_if(sample.context.begin(), sample.context.end(),
                            [](char c) { return c >= '0' && c <= '9'; }),
              5);
    const double depth = static_cast<double>(sample.context.find(sample.answer)) /
                         static_cast<double>(sample.context.size());
    EXPECT_GT(depth, previous);
    previous = depth;
  }
  EXPECT_TRUE(samples.front().context.starts_with("The pass key"));
  EXPECT_TRUE(samples.back().context.ends_with("Remember it.\n"));
}

TEST(Multikey, EveryCodeIsAskedAndStandsInTheContext) {
  const SyntheticOptions options{.task = SyntheticTask::multikey, .context = 4000, .facts = 12};
  for (std::int64_t index = 0; index < 20; ++index) {
    const SyntheticDocument document = make_document(options, index);
    EXPECT_EQ(document.questions.size(), 12u);
    std::set<std::string> questions;
    for (const auto& [question, answer] : document.questions) {
      EXPECT_TRUE(questions.insert(question).second);
      EXPECT_EQ(count_of(document.context, question + " "), 1u) << question;
      EXPECT_EQ(count_of(document.context, question + " " + answer + "."), 1u) << question;
    }
  }
}

TEST(Synthetic, TooSmallAContextIsAUserError) {
  for (const SyntheticTask task : kTasks) {
    for (const std::int64_t size : {-5, 0, 1, 8}) {
      EXPECT_THROW(make_document({.task = task, .context = size}, 0), core::UserError);
    }
  }
  EXPECT_THROW(make_document({.facts = -1}, 0), core::UserError);
  EXPECT_THROW(make_document({.value_words = 0}, 0), core::UserError);
}

TEST(SyntheticCorpus, OneJsonObjectALine) {
  const TemporaryFolder folder;
  const SyntheticOptions options{.task = SyntheticTask::recall, .seed = 9, .context = 200};
  write_synthetic_corpus(folder / "a.jsonl", options, {.count = 3});
  std::istringstream lines(read_bytes(folder / "a.jsonl"));
  std::string line;
  for (std::int64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    std::string text = training_text(make_document(options, i));
    for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at)) {
      text.replace(at, 1, "\\n");
    }
    EXPECT_EQ(line, "{\"text\":\"" + text + "\"}");
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(SyntheticCorpus, RecordsHoldTheSameDocuments) {
  const TemporaryFolder folder;
  write_synthetic_corpus(folder / "a.jsonl", compact_options(),
                         {.count = 3, .format = SyntheticFormat::sft});
  RecordReader reader(folder / "a.jsonl");
  Record record;
  for (std::int64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(reader.next(record));
    const SyntheticDocument document = make_document(compact_options(), i);
    EXPECT_EQ(record.segments, std::vector<std::string>{document.context});
    EXPECT_EQ(record.questions, document.questions);
  }
  EXPECT_FALSE(reader.next(record));
}

TEST(SyntheticCorpus, CurriculumBeginsWithFewFacts) {
  const TemporaryFolder folder;
  write_synthetic_corpus(folder / "a.jsonl", compact_options(),
                         {.count = 50, .format = SyntheticFormat::sft, .curriculum = 0.6});
  RecordReader reader(folder / "a.jsonl");
  Record record;
  for (std::int64_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(reader.next(record));
    const std::vector<std::string> words = split(record.segments.front());
    std::set<std::string> keys;
    ASSERT_EQ(words.size(), 65u) << "facts are repeated to fill the context";
    for (std::size_t f = 1; f < words.size(); f += 4) keys.insert(words[f]);
    EXPECT_EQ(static_cast<std::int64_t>(keys.size()), curriculum_facts(16, 0.6, i, 50));
    EXPECT_EQ(record.questions.size(), 16u);
  }
  SyntheticOptions all = compact_options();
  all.facts = 0;
  EXPECT_THROW(write_synthetic_corpus(folder / "b.jsonl", all, {.count = 1, .curriculum = 0.6}),
               core::UserError);
  EXPECT_THROW(write_synthetic_corpus(folder / "b.jsonl", compact_options(),
                                      {.count = 1, .curriculum = 1.5}),
               core::UserError);
}

// With a tokenizer trained on such text every word is one token.
TEST(SyntheticCorpus, CompactWordsAreSingleTokens) {
  const TemporaryFolder folder;
  write_synthetic_corpus(folder / "text.jsonl", compact_options(), {.count = 300});
  TrainTokenizerOptions training;
  training.bpe.vocab_size = 768;
  const auto tokenizer = train_tokenizer({folder / "text.jsonl"}, training).tokenizer;
  for (std::int64_t i = 0; i < 20; ++i) {
    const SyntheticDocument document = make_document(compact_options(), i);
    EXPECT_EQ(tokenizer->encode(document.context).size(), 65u);
    for (const auto& [question, answer] : document.questions) {
      EXPECT_EQ(tokenizer->encode(question).size(), 2u);
      EXPECT_EQ(tokenizer->encode(" " + answer).size(), 3u);
    }
  }
}

TEST(SyntheticCorpus, FollowsALinkAndReplacesNoPipe) {
  const TemporaryFolder folder;
  testing::write_bytes(folder / "real.jsonl", "mine\n");
  testing::write_bytes(folder / "link.jsonl.tmp", "also mine\n");
  fs::create_symlink(folder / "real.jsonl", folder / "link.jsonl");
  write_synthetic_corpus(folder / "link.jsonl", {}, {.count = 1, .overwrite = true});
  EXPECT_TRUE(fs::is_symlink(folder / "link.jsonl"));
  EXPECT_TRUE(read_bytes(folder / "real.jsonl").starts_with("{\"text\":"));
  EXPECT_EQ(read_bytes(folder / "link.jsonl.tmp"), "also mine\n");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(write_synthetic_corpus(folder / "pipe", {}, {.count = 1, .overwrite = true}),
               core::UserError);
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
}

TEST(SyntheticCorpus, WhatProgressThrowsLeavesNothing) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_synthetic_corpus(folder / "a.jsonl", {}, {.count = 5},
                                      [](std::int64_t done) {
                                        if (done == 3) throw core::Interrupted(15);
                                      }),
               core::Interrupted);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(SyntheticCorpus, KeepsAnExistingFileUnlessTold) {
  const TemporaryFolder folder;
  testing::write_bytes(folder / "a.jsonl", "mine\n");
  EXPECT_THROW(write_synthetic_corpus(folder / "a.jsonl", {}, {.count = 1}), core::UserError);
  EXPECT_EQ(read_bytes(folder / "a.jsonl"), "mine\n");
  write_synthetic_corpus(folder / "a.jsonl", {}, {.count = 1, .overwrite = true});
  EXPECT_TRUE(read_bytes(folder / "a.jsonl").starts_with("{\"text\":"));
  EXPECT_THROW(write_synthetic_corpus(folder / "no/a.jsonl", {}, {.count = 1}), core::UserError);
  EXPECT_THROW(write_synthetic_corpus(folder / "b.jsonl", {}, {.count = 0}), core::UserError);
  EXPECT_THROW(write_synthetic_corpus(folder / "b.jsonl", {.context = 3}, {.count = 1}),
               core::UserError);
  EXPECT_FALSE(fs::exists(folder / "b.jsonl"));
  EXPECT_FALSE(fs::exists(folder / ".b.jsonl.tmp"));
}

}  // namespace
}  // namespace unfold::data
