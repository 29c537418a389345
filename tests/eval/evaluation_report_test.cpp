// The report of a full evaluation: families, ratios, significance, samples, several runs, bounds.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "eval/report/family_curves.h"
#include "eval/report/heat_map.h"
#include "eval/report/html_page.h"
#include "eval/report/main_table.h"
#include "eval/report/report.h"
#include "eval/report/sample_browser.h"
#include "eval/report/sample_charts.h"
#include "tests/eval/run_files.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

ResultRow row(const std::string& task, const std::string& method, double ratio, double value,
              const std::string& metric = "f1") {
  return {task,         method,       ratio,
          metric,       value,        100,
          value - 0.05, value + 0.05, ratio == 1 ? 1000.0 : 1000 / ratio};
}

RunRecord run_of(const std::string& name, std::vector<ResultRow> rows) {
  RunRecord run;
  run.name = name;
  run.path = "runs/" + name;
  run.results.emplace();
  run.results->rows = std::move(rows);
  return run;
}

// Scores of samples 0, 1, ...
PredictionFile scored(const std::string& task, const std::string& method, double ratio,
                      const std::vector<double>& scores, const std::string& metric = "f1") {
  PredictionFile file{.task = task, .method = method, .ratio = ratio, .metric = metric};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    PredictedSample sample;
    sample.id = fmt::format("{}", i);
    sample.place = i;
    sample.score = scores[i];
    file.samples.push_back(std::move(sample));
  }
  return file;
}

const TableCell& cell_of(const RatioPanel& panel, const std::string& task,
                         const std::string& method, std::size_t run = 0) {
  for (const FamilyTable& table : panel.tables) {
    for (const TableLine& line : table.lines) {
      if (line.task != task) continue;
      for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (table.columns[i].method == method && table.columns[i].run == run) return line.cells[i];
      }
    }
  }
  ADD_FAILURE() << "no cell " << task << ' ' << method;
  static const TableCell kNone;
  return kNone;
}

TEST(TaskFamily, ByNameAndMetric) {
  EXPECT_EQ(family_of("longbench.hotpotqa", "f1"), Family::longbench);
  EXPECT_EQ(family_of("longbench_e.hotpotqa", "f1"), Family::longbench_e);
  EXPECT_EQ(family_of("rag", "em"), Family::rag);
  EXPECT_EQ(family_of("answers", "exact_match"), Family::answers);
  EXPECT_EQ(family_of("needle", "exact_match"), Family::probes);
  EXPECT_EQ(family_of("perplexity@4096", "perplexity"), Family::language);
  EXPECT_EQ(family_of("mine", "bits_per_byte"), Family::language);
  EXPECT_EQ(family_of("mine", "f1"), Family::other);
  EXPECT_EQ(short_task("rag.nq"), "nq");
  EXPECT_EQ(short_task("perplexity_by_context.1024"), "perplexity_by_context.1024");
  EXPECT_EQ(group_of("rag.nq"), "rag");
  EXPECT_EQ(group_of("rag"), "");
}

TEST(MainTable, APanelARatioWithFullBeside) {
  const RunComparison comparison = compare_runs(
      {run_of("a", {row("rag.nq", "full", 1, 0.5), row("rag.nq", "random", 8, 0.2),
                    row("rag.nq", "gsa", 8, 0.4), row("rag.nq", "gsa", 16, 0.3),
                    row("rag", "gsa", 8, 0.4), row("needle", "gsa", 8, 0.9, "exact_match")})});
  const auto panels = build_panels(comparison);
  ASSERT_EQ(panels.size(), 2u);
  EXPECT_EQ(panels[0].ratio, 8);
  EXPECT_EQ(panels[0].reference, "gsa");
  ASSERT_EQ(panels[0].tables.size(), 2u);
  const FamilyTable& rag = panels[0].tables[0];
  ASSERT_EQ(rag.columns.size(), 3u);
  EXPECT_EQ(rag.columns[0].method, "full");
  EXPECT_EQ(rag.columns[1].method, "gsa");
  EXPECT_EQ(rag.columns[2].method, "random");
  ASSERT_EQ(rag.lines.size(), 2u);
  EXPECT_TRUE(rag.lines[0].group) << "the mean stands first";
  EXPECT_TRUE(rag.lines[1].cells[0].best);
  EXPECT_TRUE(rag.lines[1].cells[1].best_compressed);
  EXPECT_EQ(rag.lines[0].cells[2].row, nullptr);
  EXPECT_FALSE(rag.lines[0].cells[1].best) << "nothing to compare with";
  EXPECT_EQ(panels[1].tables[0].columns.size(), 2u);
}

TEST(MainTable, SignificanceIsPairedById) {
  RunRecord run =
      run_of("a", {row("t", "gsa", 8, 0.5), row("t", "random", 8, 0.2), row("t", "quest", 8, 0.5)});
  std::vector<double> gsa(40);
  std::vector<double> random(40);
  for (std::size_t i = 0; i < gsa.size(); ++i) {
    gsa[i] = i % 2 == 0 ? 0.9 : 0.1;
    random[i] = gsa[i] - (i % 4 == 0 ? 0.5 : 0.0);
  }
  run.predictions.files = {scored("t", "gsa", 8, gsa), scored("t", "random", 8, random),
                           scored("t", "quest", 8, gsa)};
  std::reverse(run.predictions.files[1].samples.begin(), run.predictions.files[1].samples.end());
  const auto panels = build_panels(compare_runs({run}));
  const auto& worse = cell_of(panels[0], "t", "random").versus;
  ASSERT_TRUE(worse.has_value());
  EXPECT_EQ(worse->n, 40);
  EXPECT_NEAR(worse->difference, -0.125, 1e-12);
  EXPECT_DOUBLE_EQ(worse->p, 2.0 / 1024) << "ten differences of one sign";
  EXPECT_DOUBLE_EQ(worse->adjusted, 4.0 / 1024) << "two comparisons";
  EXPECT_TRUE(worse->significant());
  EXPECT_FALSE(cell_of(panels[0], "t", "quest").versus->significant());
  EXPECT_FALSE(cell_of(panels[0], "t", "gsa").versus.has_value());
}

// One question asked in several ways has several samples of one id: all count, and change signs
// together.
TEST(MainTable, SamplesOfOneQuestionAreComparedTogether) {
  RunRecord run = run_of("a", {row("t", "gsa", 8, 0.5), row("t", "random", 8, 0.2)});
  const std::vector<double> ones(18, 1.0);
  std::vector<double> random;
  for (int question = 0; question < 6; ++question) random.insert(random.end(), {1.0, 0.0, 0.0});
  run.predictions.files = {scored("t", "gsa", 8, ones), scored("t", "random", 8, random)};
  for (PredictionFile& file : run.predictions.files) {
    for (std::size_t i = 0; i < file.samples.size(); ++i) {
      file.samples[i].id = fmt::format("q{}", i / 3);
    }
  }
  const auto panels = build_panels(compare_runs({run}));
  const auto& worse = cell_of(panels[0], "t", "random").versus;
  ASSERT_TRUE(worse.has_value());
  EXPECT_EQ(worse->n, 18);
  EXPECT_NEAR(worse->difference, -2.0 / 3, 1e-12);
  EXPECT_DOUBLE_EQ(worse->p, 2.0 / 64) << "six questions, not eighteen";
}

TEST(MainTable, AGroupIsComparedOverItsTasks) {
  RunRecord run = run_of("a", {row("rag", "gsa", 8, 0.5), row("rag", "random", 8, 0.4),
                               row("rag.x", "gsa", 8, 0.5), row("rag.y", "gsa", 8, 0.5)});
  run.predictions.files = {scored("rag.x", "gsa", 8, {1, 1}), scored("rag.x", "random", 8, {0, 0}),
                           scored("rag.y", "gsa", 8, {1, 1, 1, 1}),
                           scored("rag.y", "random", 8, {1, 1, 1, 0})};
  const auto panels = build_panels(compare_runs({run}));
  const auto& group = cell_of(panels[0], "rag", "random").versus;
  ASSERT_TRUE(group.has_value());
  EXPECT_NEAR(group->difference, -(1 + 0.25) / 2, 1e-12) << "each task weighs the same";
  EXPECT_EQ(group->n, 6);
}

TEST(MainTable, OtherMetricsAreNotCompared) {
  RunRecord run = run_of("a", {row("t", "gsa", 8, 0.5, "em"), row("t", "random", 8, 0.2, "em")});
  run.predictions.files = {scored("t", "gsa", 8, {1, 1, 1}), scored("t", "random", 8, {0, 0, 0})};
  EXPECT_FALSE(cell_of(build_panels(compare_runs({run}))[0], "t", "random").versus.has_value());
}

TEST(MainTable, RunsStandSideBySideAndAreCompared) {
  RunRecord a = run_of("demo", {row("t", "gsa", 8, 0.4), row("t", "full", 1, 0.6)});
  RunRecord b = run_of("demo", {row("t", "gsa", 8, 0.5)});
  b.path = "other/demo";
  a.predictions.files = {scored("t", "gsa", 8, {0, 0, 0, 0, 0, 0, 0})};
  b.predictions.files = {scored("t", "gsa", 8, {1, 1, 1, 1, 1, 1, 1})};
  const RunComparison comparison = compare_runs({a, b, a});
  EXPECT_EQ(comparison.runs[0].name, "runs/demo");
  EXPECT_EQ(comparison.runs[1].name, "other/demo");
  EXPECT_EQ(comparison.runs[2].name, "runs/demo (2)") << "the same folder twice";
  const auto panels = build_panels(comparison);
  ASSERT_EQ(panels[0].tables[0].columns.size(), 5u);
  EXPECT_EQ(panels[0].tables[0].columns[2].method, "gsa");
  EXPECT_EQ(panels[0].tables[0].columns[2].run, 0u);
  EXPECT_EQ(panels[0].tables[0].columns[3].run, 1u);
  EXPECT_TRUE(cell_of(panels[0], "t", "gsa", 1).versus->significant()) << "against the first run";
  EXPECT_TRUE(contains(html_page(comparison), "3 runs side by side"));
}

TEST(FamilyCurves, MeansOverTheTasksThatAllHave) {
  const RunComparison comparison = compare_runs({run_of(
      "a", {row("rag.x", "full", 1, 0.6), row("rag.x", "gsa", 8, 0.4), row("rag.x", "gsa", 16, 0.2),
            row("rag.y", "full", 1, 0.8), row("rag.y", "gsa", 8, 0.6), row("rag.y", "gsa", 16, 0.4),
            row("rag.z", "full", 1, 0.1), row("rag", "full", 1, 0.5),
            row("val", "full", 1, 9, "perplexity"), row("val", "gsa", 8, 11, "perplexity"),
            row("val2", "full", 1, 1.1, "bits_per_byte"),
            row("val2", "gsa", 8, 1.2, "bits_per_byte")})});
  const auto families = family_curves(comparison);
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families[1].metric, "bits_per_byte") << "not mixed with perplexities";
  EXPECT_EQ(families[1].tasks, 1u);
  EXPECT_FALSE(families[1].fractions);
  EXPECT_EQ(families[0].tasks, 2u);
  EXPECT_EQ(families[0].of_tasks, 3u) << "z is of full alone";
  EXPECT_TRUE(families[0].fractions);
  ASSERT_EQ(families[0].curves.size(), 2u);
  EXPECT_EQ(families[0].curves[0].method, "full");
  EXPECT_DOUBLE_EQ(families[0].curves[0].points[0].value, 0.7);
  ASSERT_EQ(families[0].curves[1].points.size(), 2u);
  EXPECT_DOUBLE_EQ(families[0].curves[1].points[1].value, 0.3);
  EXPECT_DOUBLE_EQ(families[0].curves[1].points[1].attended, 1000.0 / 16);
}

TEST(HeatMap, DepthsByLengths) {
  RunRecord run = run_of("a", {row("needle", "gsa", 8, 0.5)});
  PredictionFile file = scored("needle", "gsa", 8, {1, 0, 0.5, 1, 0});
  const double places[5][2] = {{0, 1024}, {0, 1024}, {0.5, 1024}, {1, 4096}, {2, 1}};
  for (std::size_t i = 0; i < 5; ++i) {
    file.samples[i].depth = places[i][0];
    file.samples[i].context = places[i][1];
  }
  file.samples[4].context = std::nan("");  // not placed
  run.predictions.files = {file};
  const RunComparison comparison = compare_runs({run});
  const auto maps = needle_maps(comparison, 8);
  ASSERT_EQ(maps.size(), 1u);
  EXPECT_EQ(maps[0].depths, (std::vector<double>{0, 0.5, 1}));
  EXPECT_EQ(maps[0].contexts, (std::vector<double>{1024, 4096}));
  const HeatMap& map = maps[0].maps[0];
  EXPECT_EQ(map.cells[0].mean, 0.5);
  EXPECT_EQ(map.cells[0].n, 2);
  EXPECT_EQ(map.cells[1].n, 0);
  EXPECT_EQ(map.cells[5].mean, 1);
  const std::string svg = heat_map_svg(maps[0], map);
  EXPECT_TRUE(contains(svg, "depth 50%, 1024 tokens: 50% of 1"));
  EXPECT_TRUE(contains(svg, "no sample"));
  EXPECT_TRUE(needle_maps(comparison, 16).empty());
}

TEST(HeatMap, ManyPlacesAreBinned) {
  RunRecord run = run_of("a", {row("needle", "gsa", 8, 0.5)});
  PredictionFile file = scored("needle", "gsa", 8, std::vector<double>(500, 1));
  for (std::size_t i = 0; i < 500; ++i) {
    file.samples[i].depth = static_cast<double>(i) / 499;
    file.samples[i].context = 1000 + 17.0 * static_cast<double>(i);
  }
  run.predictions.files = {file};
  const auto maps = needle_maps(compare_runs({run}), 8);
  EXPECT_EQ(maps[0].depths.size(), 10u);
  EXPECT_EQ(maps[0].contexts.size(), 6u);
  EXPECT_EQ(maps[0].maps[0].n, 500);
}

TEST(SampleCharts, GoldPositionAndLatency) {
  RunRecord run = run_of("a", {row("rag.nq", "gsa", 8, 0.5)});
  PredictionFile file = scored("rag.nq", "gsa", 8, {1, 0, 1, 1});
  for (std::size_t i = 0; i < 4; ++i) {
    file.samples[i].gold = static_cast<double>(i / 2);
    file.samples[i].prompt_tokens = i < 2 ? 1000 : 4000;
    file.samples[i].seconds = static_cast<double>(i + 1);
  }
  run.predictions.files = {file};
  const RunComparison comparison = compare_runs({run});
  const auto gold = gold_charts(comparison, 8);
  ASSERT_EQ(gold.size(), 1u);
  EXPECT_EQ(gold[0].plot.series[0].curve.y, (std::vector<double>{0.5, 1}));
  const auto latency = latency_charts(comparison, 8);
  ASSERT_EQ(latency.size(), 1u);
  EXPECT_EQ(latency[0].plot.series[0].curve.x, (std::vector<double>{1000, 4000}));
  EXPECT_EQ(latency[0].plot.series[0].curve.y, (std::vector<double>{2, 4}));
}

TEST(SampleCharts, BitsByContext) {
  const RunComparison comparison =
      compare_runs({run_of("a", {row("perplexity_by_context.4096", "gsa", 8, 0.9, "bits_per_byte"),
                                 row("perplexity_by_context.1024", "gsa", 8, 1.1, "bits_per_byte"),
                                 row("perplexity_by_context.1024", "gsa", 8, 2.2, "loss"),
                                 row("perplexity_by_context.1024", "full", 1, 1.0, "bits_per_byte"),
                                 row("longbench.17", "gsa", 8, 0.5)})});
  const auto charts = context_charts(comparison, 8);
  ASSERT_EQ(charts.size(), 1u);
  ASSERT_EQ(charts[0].plot.series.size(), 2u);
  EXPECT_EQ(charts[0].plot.series[1].curve.x, (std::vector<double>{1024, 4096}));
  EXPECT_EQ(charts[0].plot.series[1].curve.y, (std::vector<double>{1.1, 0.9}));
  EXPECT_EQ(context_charts(comparison, 16)[0].plot.series.size(), 1u);
}

TEST(SampleBrowser, SpreadsEvenly) {
  EXPECT_EQ(spread_evenly(3, 9), (std::vector<std::size_t>{0, 4, 8}));
  EXPECT_EQ(spread_evenly(5, 2), (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(spread_evenly(1, 7), (std::vector<std::size_t>{0}));
  EXPECT_TRUE(spread_evenly(3, 0).empty());
}

void write_predictions(const std::filesystem::path& run, const std::string& method,
                       const std::string& task, int lines, const std::string& text) {
  std::string out;
  for (int i = 0; i < lines; ++i) {
    out += json({{"pred", text},
                 {"answers", {text}},
                 {"id", fmt::format("{}-{}", text, i)},
                 {"index", i},
                 {"metric", "f1"},
                 {"score", i % 3 == 0 ? 1.0 : 0.25},
                 {"attended", 100},
                 {"seconds", 0.5},
                 {"prompt_tokens", 1000 + i},
                 {"question", text},
                 {"tags", {{"gold", i % 10}, {"depth", 0.1 * (i % 10)}, {"context", 1024}}},
                 {"unfolded", {{{"text", text}, {"share", 0.5}}}}})
               .dump() +
           "\n";
  }
  const std::filesystem::path folder = run / "predictions" / method;
  core::create_folder(folder);
  core::write_file_atomically(folder / (task + ".jsonl"), out);
}

TEST(EvaluationReport, RecordsWithMarkupShowAsText) {
  const test::TempFolder folder;
  const std::string evil =
      "</dd></details></main><script>alert(1)</script><img src=x onerror=y>'\"";
  write_predictions(folder.path(), "gsa@8", "needle", 5, evil);
  write_predictions(folder.path(), "<b>@8", "a\"><script>b", 5, evil);
  const ReportFiles files = build_report({folder.path()});
  const std::string html = core::read_text_file(files.html);
  for (const char* part : {"<script", "<img", "<b>@", "onerror=y>"}) {
    EXPECT_FALSE(contains(html, part)) << part;
  }
  EXPECT_TRUE(contains(html, "&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_TRUE(contains(html, "unfolded: 1 chunk"));
  EXPECT_TRUE(contains(html, "50%"));
  EXPECT_FALSE(contains(core::read_text_file(files.markdown), "<script"));
}

TEST(EvaluationReport, PredictionsAloneMakeAReport) {
  const test::TempFolder folder;
  write_predictions(folder.path(), "gsa@8", "needle", 40, "text");
  write_predictions(folder.path(), "full@1", "needle", 40, "text");
  core::write_file_atomically(folder / "predictions/gsa@8/needle2.jsonl", "{\"pred\n");
  const ReportFiles files = build_report({folder.path()});
  const std::string html = core::read_text_file(files.html);
  EXPECT_TRUE(contains(html, "2 rows are the means of predictions"));
  EXPECT_TRUE(contains(html, "1 lines of predictions could not be read"));
  EXPECT_TRUE(contains(html, "needle2.jsonl:1: not a JSON object"));
  const json report = json::parse(core::read_text_file(files.json));
  EXPECT_EQ(report["results"].size(), 2u);
  EXPECT_EQ(report["needles"].size(), 2u);
  EXPECT_EQ(report["coverage"][0]["samples_per_second"], 2.0);
  EXPECT_EQ(report["predictions"]["unreadable_lines"], 1);
}

TEST(EvaluationReport, SeveralRuns) {
  const test::TempFolder folder;
  core::create_folder(folder / "a");
  core::create_folder(folder / "b");
  write_run(folder / "a", 50);
  write_run(folder / "b", 80);
  const ReportFiles files = build_report({folder / "a", folder / "b"}, folder / "both");
  const json report = json::parse(core::read_text_file(files.json));
  ASSERT_EQ(report["runs"].size(), 2u);
  EXPECT_EQ(report["runs"][1]["run"], "b");
  EXPECT_EQ(report["runs"][1]["training"]["steps"], 80);
  const std::string html = core::read_text_file(files.html);
  EXPECT_TRUE(contains(html, "a and b"));
  EXPECT_TRUE(contains(html, "gist_only (B)"));
  EXPECT_TRUE(contains(html, "Configurations"));
  const std::string markdown = core::read_text_file(files.markdown);
  EXPECT_TRUE(contains(markdown, "| task | metric | full (A) | full (B) | gist_only (A) |"))
      << markdown;
}

TEST(EvaluationReport, TenThousandRowsStayUsable) {
  const test::TempFolder folder;
  Results results;
  for (int i = 0; i < 10'000; ++i) {
    results.rows.push_back(
        row(fmt::format("task-{}", i / 20), fmt::format("method-{}", i % 20), 8, 0.5));
  }
  write_results(folder / "results.json", results);
  write_predictions(folder.path(), "method-1@8", "task-1", 10'000, std::string(800, 'x'));
  const auto begin = std::chrono::steady_clock::now();
  const ReportFiles files = build_report({folder.path()});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(seconds.count(), 10) << "generous: sanitizers and busy machines";
  EXPECT_LT(std::filesystem::file_size(files.html), 10'000'000u);
  EXPECT_TRUE(contains(core::read_text_file(files.html), "further rows are in report.csv"));
  const std::string csv = core::read_text_file(files.csv);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 10'001);
}

TEST(EvaluationReport, AnyShapeOfTableIsBounded) {
  const test::TempFolder folder;
  Results results;
  for (int i = 0; i < 3000; ++i) {  // each row its own task, method and ratio
    results.rows.push_back(
        row(fmt::format("task-{}", i), fmt::format("method-{}", i), 2.0 + i, 0.5));
  }
  results.rows[7].ratio = std::nan("");
  results.rows[8].value = std::nan("");
  write_results(folder / "results.json", results);
  const ReportFiles files = build_report({folder.path()});
  EXPECT_LT(std::filesystem::file_size(files.html), 10'000'000u);
  EXPECT_TRUE(contains(core::read_text_file(files.html), "further compression ratios"));
}

TEST(EvaluationReport, PicturesAreBounded) {
  const test::TempFolder folder;
  for (int method = 0; method < 20; ++method) {
    std::string lines;
    for (int i = 0; i < 240; ++i) {
      lines +=
          json({{"pred", ""},
                {"score", 0.5},
                {"tags", {{"depth", i % 20 / 20.0}, {"context", 1000 + i / 20}, {"gold", i % 40}}}})
              .dump() +
          "\n";
    }
    for (int ratio = 2; ratio < 9; ++ratio) {
      const std::filesystem::path place =
          folder / fmt::format("predictions/method-{}@{}", method, ratio);
      core::create_folder(place);
      core::AppendFile(place / "needle.jsonl", core::AppendFile::Mode::create).append(lines);
    }
  }
  core::write_file_atomically(folder / "config.yaml", "# " + std::string(2'000'000, 'x') + "\n");
  const ReportFiles files = build_report({folder.path()});
  EXPECT_LT(std::filesystem::file_size(files.html), 10'000'000u);
  EXPECT_TRUE(
      contains(core::read_text_file(files.html), "Left out: the page would grow too large"));
}

TEST(EvaluationReport, ZeroRowsAndOne) {
  const test::TempFolder folder;
  Results results;
  write_results(folder / "results.json", results);
  EXPECT_TRUE(contains(core::read_text_file(build_report({folder.path()}).html),
                       "The evaluation has no rows."));
  results.rows = {row("needle", "gsa", 8, 0.5)};
  write_results(folder / "results.json", results);
  EXPECT_TRUE(contains(core::read_text_file(build_report({folder.path()}).html), "50.0"));
}

TEST(EvaluationReport, CsvIsQuoted) {
  const test::TempFolder folder;
  Results results;
  results.rows = {row("a,\"b\"", "=1+1", 8, 0.5)};
  write_results(folder / "results.json", results);
  EXPECT_TRUE(contains(core::read_text_file(build_report({folder.path()}).csv),
                       ",\"a,\"\"b\"\"\",f1,'=1+1,8,0.5,"));
}

}  // namespace
}  // namespace unfold::eval
