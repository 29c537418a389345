#include "eval/method.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "eval/prompt.h"
#include "models/score.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;
using test::user_error;

// Rows of raw tokens 1, 2, ... with gists where `pattern` has a g or a G; '.' is padding.
data::Batch batch_of(const std::vector<std::string>& patterns, int levels,
                     std::int64_t vocab_size) {
  data::Batch batch;
  std::vector<std::int8_t> level;
  std::vector<std::int32_t> document;
  for (const std::string& pattern : patterns) {
    for (const char c : pattern) {
      const int l = c == 'g' ? 0 : c == 'G' ? 1 : -1;
      level.push_back(static_cast<std::int8_t>(l));
      document.push_back(c == '.' ? -1 : 0);
      const auto place = static_cast<data::TokenId>(batch.tokens.size()) % 7 + 1;
      batch.tokens.push_back(l < 0 ? place : static_cast<data::TokenId>(vocab_size + l));
    }
  }
  batch.targets.assign(batch.tokens.size(), 5);
  batch.layout =
      gsa::make_layout(static_cast<std::int64_t>(patterns.size()),
                       static_cast<std::int64_t>(patterns[0].size()), levels, level, document);
  return batch;
}

TEST(Method, Names) {
  EXPECT_EQ(method_names(),
            (std::vector<std::string>{"full", "gist_only", "gsa", "h_gsa", "mean_pool", "random",
                                      "streaming", "snapkv", "h2o", "quest"}));
  for (const std::string& name : method_names()) EXPECT_EQ(method_from_name(name).name, name);
  EXPECT_EQ(
      user_error([] { method_from_name("gits"); }),
      "[eval] unknown method 'gits': choose one of full, gist_only, gsa, h_gsa, mean_pool, random, "
      "streaming, snapkv, h2o, quest");
  const gsa::GistConfig gist = {.chunks = {8, 4}};
  EXPECT_EQ(method_from_name("full").ratio(gist), 1.0);
  EXPECT_EQ(method_from_name("gist_only").ratio(gist), 32.0);
  EXPECT_EQ(method_from_name("h_gsa").ratio(gist), 32.0);
  // A ratio of one's own is for methods that choose.
  EXPECT_EQ(method_from_name("quest", 5).ratio(gist), 5.0);
  EXPECT_EQ(method_from_name("gist_only", 5).ratio(gist), 32.0);
  EXPECT_EQ(method_from_name("full", 5).ratio(gist), 1.0);
  // One budget for all that choose.
  gsa::SelectionConfig selection = {.budget = gsa::Budget::ratio, .ratio = 16, .first_layer = 2};
  for (const char* name : {"gsa", "random", "streaming", "snapkv", "h2o", "quest"}) {
    const Method method = method_from_name(name, 0, selection);
    EXPECT_EQ(method.ratio(gist), 16.0) << name;
    EXPECT_EQ(method.policy.selection.ratio, 16.0) << name;
    EXPECT_EQ(method.policy.first_layer, method.gists ? 2 : -1) << name;
    EXPECT_EQ(method_from_name(name, 5, selection).ratio(gist), 5.0) << name;
  }
  EXPECT_EQ(method_from_name("gist_only", 0, selection).ratio(gist), 32.0);
  selection.budget = gsa::Budget::fixed;
  EXPECT_EQ(method_from_name("gsa", 0, selection).ratio(gist), 32.0);
  EXPECT_TRUE(method_from_name("mean_pool").gists);
  EXPECT_FALSE(method_from_name("snapkv").gists);
  EXPECT_FALSE(method_from_name("gsa").visibility.has_value());
}

TEST(Method, CountsTheKeysOfTheWorkedExamples) {
  const TempFolder folder;
  // METHOD.md section 5: c = 3, P = 1, S = 1; x and y read 8 and 9 keys.
  LoadedRun one = make_tiny_run(folder / "one");
  const gsa::GistConfig gist = {.chunks = {3}, .sinks = 1, .previous_chunks = 1};
  const data::Batch row = batch_of({"sabcgdefghijgxy"}, 1, one.decoder.config().vocab_size);
  const std::vector<std::int64_t> suffix = {13};
  const MethodScores scores = score(one.decoder, method_from_name("gist_only"), gist, row, suffix);
  EXPECT_EQ(scores.queries, 2);
  EXPECT_EQ(scores.keys_read, 8 + 9);
  EXPECT_EQ(score(one.decoder, method_from_name("full"), gist, row, suffix).keys_read, 11 + 12);

  // The example of two levels: c = 2, m = 2, P = 1, S = 1; x and y read 8 and 9 keys.
  LoadedRun two = make_tiny_run(folder / "two", {.gist = {.chunks = {2, 2}}});
  const gsa::GistConfig levels = {.chunks = {2, 2}, .sinks = 1, .previous_chunks = 1};
  const data::Batch rows = batch_of({"sabgcdgGefghigGjkgGxy", "sabgcdgGefghigGjkgGx."}, 2,
                                    two.decoder.config().vocab_size);
  const std::vector<std::int64_t> suffixes = {19, 19};
  const MethodScores both =
      score(two.decoder, method_from_name("gist_only"), levels, rows, suffixes);
  EXPECT_EQ(both.queries, 3);  // padding is no query
  EXPECT_EQ(both.keys_read, (8 + 9) + 8);
}

TEST(Method, ScoresAreThoseOfTheModelUnderItsVisibility) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run");
  const gsa::GistConfig& gist = run.description.gist;
  const data::Batch batch =
      batch_of({"ababcgdefghabcgx", "abcdgabcdgab...."}, 1, run.decoder.config().vocab_size);
  for (const char* name : {"full", "gist_only"}) {
    const Method method = method_from_name(name);
    const models::RowScores expected = models::score_rows(run.decoder, batch.layout, batch.tokens,
                                                          batch.targets, gist, *method.visibility);
    const MethodScores all = score(run.decoder, method, gist, batch);
    EXPECT_EQ(all.loss, expected.loss);
    EXPECT_EQ(all.keys_read, expected.visible_pairs);
    EXPECT_EQ(all.queries, 28);
    const std::vector<std::int64_t> from_the_start = {0, 0};
    const MethodScores counted = score(run.decoder, method, gist, batch, from_the_start);
    EXPECT_EQ(counted.keys_read, all.keys_read);
    EXPECT_EQ(counted.queries, all.queries);
  }
}

TEST(Method, ScoresNoRowsForMethodsThatChoose) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run");
  const data::Batch batch = batch_of({"abcdgab"}, 1, run.decoder.config().vocab_size);
  EXPECT_THROW(score(run.decoder, method_from_name("gsa"), run.description.gist, batch),
               core::InternalError);
}

TEST(PromptBuilder, GistsOnlyInTheContext) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(
      folder / "run",
      {.gist = {.chunks = {2, 2}, .sinks = 1, .rule = gsa::InsertionRule::count}, .wider = 43});
  const auto vocabulary = static_cast<data::TokenId>(run.decoder.config().vocab_size);
  EXPECT_EQ(vocabulary, run.tokenizer->vocab_size() + 43);
  const PromptBuilder builder(run, run.description.gist);
  const std::vector<data::TokenId> context = {1, 2, 3, 4, 5};
  const std::vector<data::TokenId> suffix = {6, 7, 8};
  const models::Prompt gist = builder.build(method_from_name("gist_only"), context, suffix);
  EXPECT_EQ(gist.level, (std::vector<std::int8_t>{-1, -1, -1, 0, -1, -1, 0, 1, -1, -1, -1}));
  EXPECT_EQ(gist.tokens, (std::vector<data::TokenId>{1, 2, 3, vocabulary, 4, 5, vocabulary,
                                                     vocabulary + 1, 6, 7, 8}));
  const models::Prompt full = builder.build(method_from_name("full"), context, suffix);
  EXPECT_EQ(full.tokens, (std::vector<data::TokenId>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(full.level, std::vector<std::int8_t>(8, -1));
  EXPECT_EQ(gist.suffix, 8);
  EXPECT_EQ(full.suffix, 5) << "the same place in the text";
  const models::Prompt raw =
      builder.build(method_from_name("gist_only"), std::span<const data::TokenId>{}, suffix);
  EXPECT_EQ(raw.tokens, suffix);
  EXPECT_THROW(PromptBuilder(run, gsa::GistConfig{.chunks = {2}}), core::InternalError);
}

TEST(PromptBuilder, PlacesGistsByWordsAsTrainingDoes) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run", {.gist = {.chunks = {4}, .sinks = 0}});
  const PromptBuilder builder(run, run.description.gist);
  const auto context = run.tokenizer->encode("abcde fghi");
  const models::Prompt prompt = builder.build(method_from_name("gist_only"), context, {});
  // Behind "abcd" one more letter comes before the blank: the gist moves there.
  EXPECT_EQ(prompt.level, (std::vector<std::int8_t>{-1, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1, 0}));
}

}  // namespace
}  // namespace unfold::eval
