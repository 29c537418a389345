#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "core/file.h"
#include "data/loader.h"
#include "data/row_format.h"
#include "data/tokenizer/train_tokenizer.h"
#include "eval/metrics/interval.h"
#include "eval/tasks/perplexity.h"
#include "eval/tasks/recall.h"
#include "gsa/visibility.h"
#include "models/generate.h"
#include "models/score.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;
using test::user_error;

const std::vector<std::string> kTexts = {
    "The quick brown fox jumps over the lazy dog and then it sleeps.", "Short one.",
    "A text that is rather longer than a row, so that it is cut into pieces, each a document.",
    "caf\u00e9 \u20ac 5"};

EvalSettings settings_for(const LoadedRun& run, const fs::path& shard) {
  EvalSettings settings;
  settings.gist = run.description.gist;
  settings.val = {shard.string()};
  settings.row_length = 48;
  settings.seed = 42;
  settings.eval.samples = 12;
  settings.eval.context = 160;
  return settings;
}

const ResultRow& row_of(const std::vector<ResultRow>& rows, const std::string& metric) {
  for (const ResultRow& row : rows) {
    if (row.metric == metric) return row;
  }
  throw std::runtime_error("no row of " + metric);
}

void ignore(std::int64_t) {}

TEST(Perplexity, OfAUniformModelIsItsVocabulary) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.change = make_uniform});
  // One row, "abcd" and eos: 4 targets, of which 3 stand for a byte of text.
  const fs::path shard = write_shard(folder / "val.h5", *run.tokenizer, {"abcd"});
  const PerplexityTask task(run, settings_for(run, shard));
  const auto vocabulary = static_cast<double>(run.tokenizer->vocab_size());
  for (const char* name : {"full", "gist_only"}) {
    const std::vector<ResultRow> rows = task.measure(run, method_from_name(name), ignore);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].n, 4);
    EXPECT_NEAR(row_of(rows, "bits_per_byte").value, 4 * std::log2(vocabulary) / 3, 1e-5);
    EXPECT_NEAR(row_of(rows, "loss").value, std::log(vocabulary), 1e-5);
    EXPECT_NEAR(row_of(rows, "perplexity").value, vocabulary, 1e-3);
  }
}

TEST(Perplexity, EqualsScoringTheRowsByHand) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.seed = 4});
  const gsa::GistConfig& gist = run.description.gist;
  const fs::path shard = write_shard(folder / "val.h5", *run.tokenizer, kTexts);
  const EvalSettings settings = settings_for(run, shard);
  const PerplexityTask task(run, settings);
  const data::Batch batch =
      data::validation_batches({shard}, data::make_row_format(*run.tokenizer, gist, 48), 100, 100)
          .at(0);
  for (const char* name : {"full", "gist_only"}) {
    const Method method = method_from_name(name);
    const data::Batch rows = method.gists ? batch : data::without_gists(batch);
    const models::RowScores scores = models::score_rows(run.decoder, rows.layout, rows.tokens,
                                                        rows.targets, gist, *method.visibility);
    double nats = 0;
    std::int64_t bytes = 0;
    std::int64_t targets = 0;
    std::int64_t pairs = 0;
    std::int64_t queries = 0;
    for (std::int64_t row = 0; row < rows.layout.rows; ++row) {
      const gsa::VisibilityCounts counts = gsa::count_row(rows.layout, row, gist);
      for (std::int64_t q = 0; q < rows.layout.length; ++q) {
        const auto i = static_cast<std::size_t>(row * rows.layout.length + q);
        if (rows.layout.document[i] < 0) continue;
        ++queries;
        for (std::int64_t k = 0; k <= q; ++k) {
          pairs += gsa::visible(counts, q, k, gist, *method.visibility) ? 1 : 0;
        }
        if (rows.targets[i] < 0) continue;
        nats += scores.loss[i];
        bytes += run.tokenizer->is_special(rows.targets[i]) ? 0 : 1;
        ++targets;
      }
    }
    std::int64_t told = 0;
    const std::vector<ResultRow> result =
        task.measure(run, method, [&](std::int64_t positions) { told += positions; });
    const double loss = nats / static_cast<double>(targets);
    EXPECT_NEAR(row_of(result, "loss").value, loss, 1e-9);
    EXPECT_NEAR(row_of(result, "perplexity").value, std::exp(loss), 1e-6 * std::exp(loss));
    EXPECT_NEAR(row_of(result, "bits_per_byte").value,
                nats / std::numbers::ln2 / static_cast<double>(bytes), 1e-9);
    for (const ResultRow& row : result) {
      EXPECT_EQ(row.n, targets);
      EXPECT_DOUBLE_EQ(row.attended, static_cast<double>(pairs) / static_cast<double>(queries));
      EXPECT_LT(row.low, row.value);
      EXPECT_GT(row.high, row.value);
    }
    EXPECT_EQ(told, task.work());
  }
}

TEST(Perplexity, BothMethodsPredictTheSameTokens) {
  const TempFolder folder;
  // One level, two levels, and a model whose vocabulary is wider than the tokenizer's.
  const std::vector<TinyRunOptions> kinds = {{}, {.gist = {.chunks = {2, 3}}}, {.wider = 11}};
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    LoadedRun run = make_tiny_run(folder / std::to_string(i), kinds[i]);
    const fs::path shard =
        write_shard(folder / (std::to_string(i) + ".h5"), *run.tokenizer, kTexts);
    const PerplexityTask task(run, settings_for(run, shard));
    const ResultRow full = task.measure(run, method_from_name("full"), ignore).front();
    const ResultRow gist = task.measure(run, method_from_name("gist_only"), ignore).front();
    EXPECT_EQ(full.n, gist.n);
    EXPECT_GT(full.n, 100);
    EXPECT_NE(full.value, gist.value);
  }
}

TEST(Perplexity, IsOfMethodsThatAreMasks) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run");
  const fs::path shard = write_shard(folder / "val.h5", *run.tokenizer, kTexts);
  const PerplexityTask task(run, settings_for(run, shard));
  for (const std::string& name : method_names()) {
    const Method method = method_from_name(name);
    EXPECT_EQ(task.measures(method), name == "full" || name == "gist_only") << name;
    if (!task.measures(method)) continue;
    std::int64_t told = 0;
    const std::vector<ResultRow> rows =
        task.measure(run, method, [&](std::int64_t positions) { told += positions; });
    EXPECT_FALSE(rows.empty()) << name;
    EXPECT_EQ(told, task.work()) << name;
  }
}

TEST(Perplexity, TakesTheRowsAskedFor) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run");
  const fs::path shard = write_shard(folder / "val.h5", *run.tokenizer, kTexts);
  EvalSettings settings = settings_for(run, shard);
  settings.eval.rows = 1;
  const ResultRow row =
      PerplexityTask(run, settings).measure(run, method_from_name("full"), ignore).front();
  EXPECT_LT(row.n, 48);
  EXPECT_TRUE(std::isnan(row.low));  // one row tells nothing about the spread
}

TEST(Perplexity, Errors) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  const fs::path shard = write_shard(folder / "val.h5", *run.tokenizer, kTexts);
  const auto error_of = [&](const std::function<void(EvalSettings&)>& change) {
    EvalSettings settings = settings_for(run, shard);
    change(settings);
    return user_error([&] { PerplexityTask(run, settings); });
  };
  EXPECT_EQ(error_of([](EvalSettings& s) {
              s.val.clear();
            }).rfind("[eval] task perplexity reads data.val, which is empty", 0),
            0u);
  EXPECT_NE(error_of([&](EvalSettings& s) {
              s.val = {(folder / "no").string()};
            }).find((folder / "no").string()),
            std::string::npos);
  EXPECT_NE(error_of([](EvalSettings& s) { s.row_length = 3; }).find("train.row_length"),
            std::string::npos);
  const std::string whole = core::read_text_file(shard);
  core::write_file_atomically(folder / "cut.h5", whole.substr(0, whole.size() / 2));
  EXPECT_NE(
      error_of([&](EvalSettings& s) { s.val = {(folder / "cut.h5").string()}; }).find("cut.h5"),
      std::string::npos);
  const fs::path lone = write_shard(folder / "lone.h5", *run.tokenizer, {""});
  EXPECT_NE(error_of([&](EvalSettings& s) { s.val = {lone.string()}; }).find("no token to predict"),
            std::string::npos);
}

class RecallOfTask : public testing::TestWithParam<data::SyntheticTask> {};

TEST_P(RecallOfTask, SamplesAreGistedContextAndRawSuffix) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  EvalSettings settings = settings_for(run, "");
  const RecallTask task(run, settings, GetParam());
  const Method full = method_from_name("full");
  const Method gist = method_from_name("gist_only");
  std::set<std::vector<data::TokenId>> seen;
  for (std::int64_t i = 0; i < settings.eval.samples; ++i) {
    const AnsweredPrompt plain = task.sample(run, full, i);
    const AnsweredPrompt gisted = task.sample(run, gist, i);
    EXPECT_EQ(plain.answer, gisted.answer);
    EXPECT_EQ(run.tokenizer->decode(plain.answer).front(), ' ');
    // The context is as long as asked for, up to the last piece that did not fit.
    EXPECT_LE(plain.prompt.suffix, settings.eval.context);
    EXPECT_GT(plain.prompt.suffix, settings.eval.context / 2);
    std::vector<data::TokenId> raw;
    for (std::size_t t = 0; t < gisted.prompt.tokens.size(); ++t) {
      const bool in_suffix = static_cast<std::int64_t>(t) >= gisted.prompt.suffix;
      EXPECT_TRUE(!in_suffix || gisted.prompt.level[t] == -1);
      if (gisted.prompt.level[t] < 0) raw.push_back(gisted.prompt.tokens[t]);
    }
    EXPECT_EQ(gisted.prompt.level[static_cast<std::size_t>(gisted.prompt.suffix) - 1], 0);
    EXPECT_EQ(raw, plain.prompt.tokens);
    // The answer can be read off the context.
    const std::string text = run.tokenizer->decode(plain.prompt.tokens);
    EXPECT_NE(text.find(run.tokenizer->decode(plain.answer).substr(1)), std::string::npos) << text;
    seen.insert(raw);
  }
  EXPECT_EQ(static_cast<std::int64_t>(seen.size()), settings.eval.samples);
  // Training documents of the same seed are others.
  data::SyntheticOptions training = {.task = GetParam(), .seed = settings.seed, .context = 160};
  const std::string context = data::make_samples(training, 1).front().context;
  EXPECT_NE(run.tokenizer->decode(task.sample(run, full, 0).prompt.tokens).substr(0, 60),
            context.substr(0, 60));
}

TEST_P(RecallOfTask, MeasuresWhatGenerationGives) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.seed = 6});
  const RecallTask task(run, settings_for(run, ""), GetParam());
  for (const std::string& name : method_names()) {
    const Method method = method_from_name(name);
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < 12; ++i) {
      const AnsweredPrompt sample = task.sample(run, method, i);
      models::GenerateOptions options;
      options.max_tokens = static_cast<std::int64_t>(sample.answer.size());
      models::Engine engine(run.decoder, run.description.gist, method.policy);
      right += models::generate(engine, std::span(&sample.prompt, 1), options).front().tokens ==
                       sample.answer
                   ? 1
                   : 0;
    }
    std::int64_t told = 0;
    const std::vector<ResultRow> rows =
        task.measure(run, method, [&](std::int64_t positions) { told += positions; });
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].task, data::name_of(GetParam()));
    EXPECT_EQ(rows[0].metric, "exact_match");
    EXPECT_EQ(rows[0].n, 12);
    EXPECT_DOUBLE_EQ(rows[0].value, static_cast<double>(right) / 12);
    EXPECT_EQ(rows[0].high, wilson_interval(right, 12).high);
    EXPECT_EQ(told, task.work());
  }
}

TEST_P(RecallOfTask, GistsReadFewerKeys) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder / "run", {.gist = {.chunks = {8}}});
  EvalSettings settings = settings_for(run, "");
  settings.eval.samples = 4;
  settings.eval.context = 800;
  const RecallTask task(run, settings, GetParam());
  const double full = task.measure(run, method_from_name("full"), ignore)[0].attended;
  const double gist = task.measure(run, method_from_name("gist_only"), ignore)[0].attended;
  EXPECT_GT(full, 700);
  // A key a chunk; sinks, the previous chunk and the suffix itself besides.
  EXPECT_GT(gist, full / 8 / 2);
  EXPECT_LT(gist, full / 8 + 60);
}

TEST_P(RecallOfTask, PiecesAreTokenizedAsInTheWholeText) {
  const TempFolder folder;
  const data::SyntheticOptions training = {.task = GetParam(), .seed = 3, .context = 2000};
  data::write_synthetic_corpus(folder / "text.jsonl", training, {.count = 4});
  data::TrainTokenizerOptions options;
  options.bpe.vocab_size = 500;
  const auto tokenizer = data::train_tokenizer({folder / "text.jsonl"}, options).tokenizer;
  write_tiny_run(folder / "run", *tokenizer);
  const LoadedRun run = load_run(folder / "run", "last", core::DType::float64);
  const RecallTask task(run, settings_for(run, ""), GetParam());
  for (std::int64_t i = 0; i < 12; ++i) {
    const AnsweredPrompt sample = task.sample(run, method_from_name("full"), i);
    // Pieces are measured one by one; a line end between two of them may be a token more.
    EXPECT_LE(sample.prompt.suffix, 160 + 4);
    std::vector<data::TokenId> tokens = sample.prompt.tokens;
    tokens.insert(tokens.end(), sample.answer.begin(), sample.answer.end());
    const std::string text = tokenizer->decode(tokens);
    EXPECT_GT(text.size(), tokens.size());
    EXPECT_EQ(tokenizer->encode(text), tokens);
    // What training puts behind an answer leaves its tokens alone.
    tokens.push_back(tokenizer->encode("\n").at(0));
    EXPECT_EQ(tokenizer->encode(text + "\n"), tokens);
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, RecallOfTask,
                         testing::Values(data::SyntheticTask::recall, data::SyntheticTask::passkey,
                                         data::SyntheticTask::multikey),
                         [](const auto& task) { return std::string(data::name_of(task.param)); });

TEST(Recall, AContextTooSmallNamesTheKey) {
  const TempFolder folder;
  const LoadedRun run = make_tiny_run(folder / "run");
  EvalSettings settings = settings_for(run, "");
  settings.eval.context = 16;
  const std::string error =
      user_error([&] { RecallTask(run, settings, data::SyntheticTask::passkey); });
  EXPECT_EQ(error.rfind("[eval] eval.context = 16: ", 0), 0u) << error;
}

TEST(Recall, AnAnswerEndsWithItsWord) {
  for (const std::string text : {"", "\n", " more", ".", ",", "-", "<|eos|>", "\0"}) {
    EXPECT_TRUE(ends_word(text)) << text;
  }
  for (const std::string text : {"s", "Z", "7", "0", "\xc3", "\x80", "s more"}) {
    EXPECT_FALSE(ends_word(text)) << text;
  }
}

}  // namespace
}  // namespace unfold::eval
